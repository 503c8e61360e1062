from headstart import images, job, slices, store

with job.running(snakemake.rule, snakemake.log[0]):
    volume = images.read(snakemake.input[0])
    store.write_image(snakemake.output[0], slices.cut(volume, snakemake.params.size, snakemake.params.discard_mm))
