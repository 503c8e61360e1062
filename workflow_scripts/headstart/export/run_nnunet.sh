#!/usr/bin/env bash
# Trains nnU-Net v2 on each draw in this folder, and lets it predict the draw's test scans. What is finished is skipped,
# so that it can be stopped and started again, and a training goes on from its last checkpoint.
#
#     bash run_nnunet.sh                                          # all draws, one after another
#     CONFIGURATION=2d NAME=nnunet-2d bash run_nnunet.sh          # another way of training, in a folder of its own
#     CUDA_VISIBLE_DEVICES=1 bash run_nnunet.sh size-4_resample-1 size-4_resample-2      # some draws, on one GPU
#
# It needs nnU-Net (pip install nnunetv2), nothing else. Masks are written to $NAME/predictions/<draw>/<subject>.nii.gz.
set -euo pipefail

NAME=${NAME:-nnunet}                            # folder of this way of training, within the folder of this script
CONFIGURATION=${CONFIGURATION:-3d_fullres}      # or 2d, or 3d_lowres where the images are large
PLANNER=${PLANNER:-ExperimentPlanner}           # or nnUNetPlannerResEncM, L or XL, with PLANS=nnUNetResEncUNetMPlans ...
PLANS=${PLANS:-nnUNetPlans}
TRAINER=${TRAINER:-nnUNetTrainer}               # 1000 epochs; nnUNetTrainer_250epochs and others are shorter
PRETRAINED=${PRETRAINED:+$(realpath "$PRETRAINED")}     # a checkpoint of nnU-Net whose network is that of the plans
DEVICE=${DEVICE:-cuda}                          # or cpu, or mps
PROCESSES=${PROCESSES:-4}                       # of preprocessing and of writing masks

stop() {
    echo "run_nnunet.sh: $1" >&2
    exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")"
command -v nnUNetv2_train > /dev/null || stop "nnU-Net is not installed; pip install nnunetv2, or activate its environment."
[ $# -gt 0 ] || set -- $(ls draws)

mkdir -p "$NAME"
method="$CONFIGURATION $PLANNER $PLANS $TRAINER $PRETRAINED"
[ -e "$NAME/method.txt" ] || echo "$method" > "$NAME/method.txt"
[ "$(cat "$NAME/method.txt")" = "$method" ] ||
    stop "$NAME holds models of another configuration, planner, trainer or start; set NAME to another folder."

for draw in "$@"; do
    [ -d "draws/$draw" ] || stop "there is no draw $draw; take one that draws.tsv lists."
    export nnUNet_raw=$PWD/draws/$draw/nnUNet_raw
    export nnUNet_preprocessed=$PWD/$NAME/$draw/nnUNet_preprocessed
    export nnUNet_results=$PWD/$NAME/$draw/nnUNet_results
    work=$NAME/$draw
    dataset=$(basename "$nnUNet_raw"/Dataset001_*)
    mkdir -p "$work"
    [ -e "$work/dataset.json" ] || cp "$nnUNet_raw/$dataset/dataset.json" "$work/dataset.json"
    cmp -s "$nnUNet_raw/$dataset/dataset.json" "$work/dataset.json" ||
        stop "the scans of $draw have changed since it was trained; remove $work and $NAME/predictions/$draw."

    if [ ! -e "$work/preprocessed" ]; then
        nnUNetv2_plan_and_preprocess -d 1 -pl "$PLANNER" -c "$CONFIGURATION" -npfp "$PROCESSES" -np "$PROCESSES"
        touch "$work/preprocessed"
    fi
    # All training scans train, as in headstart, and the last weights predict: no scan is held out for validation.
    flags=(-tr "$TRAINER" -p "$PLANS" -device "$DEVICE")
    if [ ! -e "$work/trained" ]; then
        checkpoints=("$nnUNet_results/$dataset/${TRAINER}__${PLANS}__$CONFIGURATION"/fold_all/checkpoint_*.pth)
        start=()
        if [ -e "${checkpoints[0]}" ]; then
            start=(--c)
        elif [ -n "$PRETRAINED" ]; then
            start=(-pretrained_weights "$PRETRAINED")
        fi
        nnUNetv2_train "$dataset" "$CONFIGURATION" all "${flags[@]}" "${start[@]}"
        touch "$work/trained"
    fi
    if [ ! -e "$NAME/predictions/$draw" ]; then
        rm -rf "$work/predicting"
        nnUNetv2_predict -i "$nnUNet_raw/$dataset/imagesTs" -o "$work/predicting" -d "$dataset" -c "$CONFIGURATION" \
            -f all "${flags[@]}" -npp "$PROCESSES" -nps "$PROCESSES"
        mkdir -p "$NAME/predictions"
        mv "$work/predicting" "$NAME/predictions/$draw"
    fi
done
