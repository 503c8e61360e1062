import pandas as pd
import yaml

from headstart import __version__, job, methods, prose, runtimes

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    participants = pd.read_csv(snakemake.input.participants, sep="\t")
    installed = runtimes.versions()
    versions = {**dict(installed.itertuples(index=False)), "headstart": __version__}
    described = methods.text(params.config, params.sources, params.backends, participants, versions)
    job.write_text(written.text, described)
    job.write_text(written.methods, prose.html("Methods", described))
    settings = yaml.safe_dump(params.config, sort_keys=False, allow_unicode=True)
    job.write_text(written.settings, settings)
    job.write_text(written.configuration, prose.html("Configuration", prose.literal(settings)))
    measured = {"run times": runtimes.stages(params.benchmarks), "versions": installed}
    for (title, table), path, page in zip(measured.items(), written.tables, written.pages, strict=True):
        job.write_table(path, table)
        shown = table.astype(str).replace("nan", "n/a").map(prose.plain)
        job.write_text(page, prose.html(title.capitalize(), prose.table(list(shown), shown.to_numpy().tolist())))
