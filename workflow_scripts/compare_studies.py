from pathlib import Path

from headstart import job
from headstart.compare import finished, page, pairs, shared

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    answers = []
    for target, parts in finished.read(params.studies, params.results).items():
        found = shared.shared(target, parts)
        margin = min(part.settings["evaluate"]["margin"] for part in parts)
        answers.append(page.Answer(found, pairs.compare(found, margin, params.draws, params.seed), margin))
    page.write(Path(snakemake.output[0]).parent, answers)
    for answer in answers:
        for heading, said in answer.said.items():
            log.info("%s: %s: %s", answer.found.target, heading, " ".join(said))
