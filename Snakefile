"""headstart: which pre-training gives a brain-MRI segmentation task a head start."""

from snakemake.utils import min_version

min_version("9.0")


report: "rules/report/workflow.rst"


include: "rules/common.smk"
include: "rules/paths.smk"
include: "rules/training.smk"
include: "rules/datasets.smk"
include: "rules/register.smk"
include: "rules/label.smk"
include: "rules/slice.smk"
include: "rules/pretrain.smk"
include: "rules/finetune.smk"
include: "rules/evaluate.smk"
include: "rules/external.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/provenance.smk"
include: "rules/plan.smk"
include: "rules/predict.smk"
include: "rules/publish.smk"
include: "rules/export.smk"
include: "rules/compare.smk"


rule all:
    default_target: True
    input:
        rules.report.input,
        rules.write_provenance.output,
