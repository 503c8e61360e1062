import pandas as pd

from headstart import job
from headstart.evaluate import detection

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    cutoffs, own = params.cutoffs, {target: {} for target, _ in params.scans}
    on_own_grid = {target: {} for target in params.on_own_grids}
    for (target, scan), registered, losses in zip(params.scans, files.registered, files.losses, strict=True):
        in_scan = detection.OwnSpace.of(job.read_json(registered), job.read_json(losses))
        own[target][scan] = in_scan if cutoffs["volume"] == "scan" else in_scan.in_template()
        if target in on_own_grid:
            on_own_grid[target][scan] = own[target][scan].ml / in_scan.ml
    native = None
    if files.native:
        native = detection.OnOwnGrids(pd.concat(map(pd.read_parquet, files.native)), on_own_grid)
    collected = detection.collect(
        files.lesions, params.runs, params.tests, cutoffs["overlap"], cutoffs["volume_ml"], own, native
    )
    job.write_table(snakemake.output.table, detection.summary(collected, params.draws, params.seed))
