from headstart import job
from headstart.slices import natural, store

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    table = natural.read_table(snakemake.input[0]).iloc[slice(*params.rows)]
    store.write_image(written.image, natural.images(table, params.size))
    if written.get("labels"):
        store.write_labels(written.labels, natural.labels(table, params.size))
    if written.get("presence"):
        store.write_presence(written.presence, natural.one_hot(table, params.classes))
