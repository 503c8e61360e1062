import pandas as pd

from headstart import job
from headstart.evaluate import distances, native, tables

with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    collected = tables.collect(files.metrics, params.runs, params.metrics, params.tests, params.empty)
    if files.native:
        scored = [job.read_table(path, {"scan": str}) for path in files.native]
        collected = native.replaced(collected, pd.concat(scored, ignore_index=True))
    roles = tables.Roles(untrained=frozenset(params.untrained))
    cells = list(tables.cells(collected, params.draws, params.seed, params.population, roles))
    with job.atomic(written.scans) as partial:
        collected.to_parquet(partial, index=False)
    job.write_table(written.scores, tables.scores(collected))
    job.write_table(written.summary, tables.summary(cells))
    determinants = {target: {} for target, _ in params.scans}
    for (target, scan), path in zip(params.scans, files.registered, strict=True):
        determinants[target][scan] = job.read_json(path)["determinant"]
    surfaces = distances.summary(files.metrics, params.runs, params.tests, determinants, params.tolerance_mm)
    job.write_table(written.distances, surfaces)
