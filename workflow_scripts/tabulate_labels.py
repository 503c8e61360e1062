import pandas as pd

from headstart import job, label_table
from headstart.slices import scan_maps

with job.running(snakemake.rule, snakemake.log[0]):
    labels = scan_maps.labels_of(snakemake.params.classes, scan_maps.Clusters(**snakemake.params.clusters))
    sums = pd.concat([job.read_table(path) for path in snakemake.input])
    label_table.write(snakemake.output[0], scan_maps.measured(labels, sums))
