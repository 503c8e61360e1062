import pandas as pd

from headstart import job
from headstart.training import plateau

with job.running(snakemake.rule, snakemake.log[0]):
    rows = []
    for (target, source, size, _), path in zip(snakemake.params.runs, snakemake.input, strict=True):
        last = job.read_table(path).iloc[-1]
        rows.append({"target": target, "source": source, "size": size, "fall": last["fall"], "epochs": last["epoch"]})
    runs = pd.DataFrame(rows).groupby(["target", "source", "size"], sort=False)
    table = runs.agg(runs=("fall", "size"), epochs=("epochs", "max"), judged=("fall", "count"), fall=("fall", "mean"))
    table.insert(3, "unjudged", table["runs"] - table["judged"])
    learning = runs["fall"].agg(lambda falls: (falls > plateau.STILL_LEARNING).sum())
    table["still_learning"] = learning.where(table["judged"] > 0)
    job.write_table(snakemake.output[0], table.reset_index())
