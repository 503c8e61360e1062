from pathlib import Path

import numpy as np

from headstart import job
from headstart.datasets import synthetic
from headstart.phantom.label_maps import draw_label_map, finer
from headstart.phantom.tissue import build_maps
from headstart.slices import cut, store
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    entry, fineness = params.entry, params.entry["fineness"]
    maps = build_maps(template.load(Path(snakemake.input.template).parent))
    grid = finer(template.grid(params.voxel_mm), fineness)
    heads = [
        cut.cut_finer(
            draw_label_map(maps, synthetic.recipe(entry), grid, seed), params.size, fineness, entry["discard_mm"]
        )
        for seed in params.seeds.values()
    ]
    store.write_index(written.index, list(params.seeds), [len(head) for head in heads])
    store.write_labels(written.labels, np.concatenate(heads))
