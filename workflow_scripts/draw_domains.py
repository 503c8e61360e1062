from headstart import job
from headstart.report import paper, scan_pictures
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    files, target = snakemake.input, snakemake.wildcards.target
    summary, *detection = (
        table[table["target"] == target]
        for table in (job.read_table(path) for path in (files.summary, *files.detection))
    )
    sources = Shown(snakemake.params.sources)
    shown = paper.numbers(summary, detection[0] if detection else None, sources)
    job.write_table(snakemake.output.numbers, shown)
    scan_pictures.save_all(paper.figure(shown, target, sources), snakemake.output.figure)
