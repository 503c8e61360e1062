from headstart import job
from headstart.phantom.scenes import scenes
from headstart.slices import store

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    images, labels, places = scenes(*params.rows, params.size, params.seed)
    store.write_image(written.image, images)
    store.write_labels(written.labels, labels)
    store.write_presence(written.presence, places)
