import json
from pathlib import Path

import yaml

from headstart import job
from headstart.report import html, methods, runtimes
from headstart.version import __version__

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    participants = job.read_table(snakemake.input.participants)
    installed = runtimes.versions()
    versions = {**dict(installed.itertuples(index=False)), "headstart": __version__}
    for sidecar in snakemake.input.labelled:
        versions["fsl"] = json.loads(Path(sidecar).read_text(encoding="utf-8"))["BackendVersion"]
    described = methods.text(params.config, params.backends, participants, versions, params.left_out, params.overlaps)
    job.write_text(written.text, described)
    job.write_text(written.methods, html.html("Methods", described))
    settings = yaml.safe_dump(params.config, sort_keys=False, allow_unicode=True)
    job.write_text(written.settings, settings)
    job.write_text(written.configuration, html.html("Configuration", html.literal(settings)))
    measured = {"run times": runtimes.stages(params.benchmarks), "versions": installed}
    for (title, table), path, page in zip(measured.items(), written.tables, written.pages, strict=True):
        job.write_table(path, table)
        shown = table.astype(str).replace("nan", "n/a").map(html.plain)
        job.write_text(page, html.html(title.capitalize(), html.table(list(shown), shown.to_numpy().tolist())))
