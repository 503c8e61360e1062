import re

from methods_of import configured, of_sources, text_of

PHOTOS = {"degrees": 10, "scale": 0.1, "mirror": True}


def test_methods_follow_the_configuration():
    config = configured(
        register={"percentiles": [2, 97.5]},
        slice={"size": 96, "presence_voxels": 3},
        network={"decoder": "paper", "normalisation": "none"},
        training={"learning_rate": 0.005, "batch_size": 8, "decay_factor": 1, "precision": "float32"},
        evaluate={
            "empty": "one",
            "bootstrap": 5000,
            "lesions": {"volume_ml": [0], "overlap": [0.1]},
            "margin": 0.05,
            "training_scans": "population",
        },
        seed=7,
    )
    text = text_of(of_sources(config, "scratch", "t1-classification"))
    for said in (
        "the 2nd and 97.5th percentiles",
        "96 × 96 pixels",
        "at least 3 voxels of it",
        "were followed by a leaky ReLU",
        "batches of 8 slices, an initial learning rate of 0.005 and an L2 penalty",
        "carried out in single precision.",
        "slice or volume scored 1; a class",
        "with 5000 draws",
        "more than 10 % of its voxels were segmented. A false positive",
        "any lesion. Lesion-wise sensitivity",
        "The classification head used a sigmoid activation",
        "Results apply to the population of the scans: the variance between training sets of *n* of *N* scans was "
        "multiplied by 1 + *Rn* / (*N* − *n*), for *R* sets, as in Nadeau and Bengio [Nadeau2003]_.",
        "Differences with an adjusted *p* < 0.05",
        "if the confidence interval of its gain lay within ± 0.05",
        "the seed 7",
        "PyTorch 2.13.0 [Paszke2019]_.",
        "Other packages were picsl_greedy 1.4 and SciPy 1.15.",
    ):
        assert said in text, said
    for other in ("FAST", "FSL", "natural images", "ImageNet", "Wells1996", "in turn", "deepbet 1"):
        assert other not in text, other


def test_methods_name_neighbouring_slices():
    config = configured(template={"voxel_mm": 2.5}, slice={"neighbours": 2, "neighbour_mm": 6})
    said = "as further channels, 2 neighbouring slices on either side of the slice that it segmented, 5 mm apart."
    assert said in text_of(of_sources(config, "scratch"))
    assert "1 neighbouring slice on" in text_of(of_sources(configured(slice={"neighbours": 1}), "scratch"))
    assert "neighbouring slice" not in text_of(of_sources(configured(), "scratch"))


def test_methods_leave_out_what_the_sources_do_not_use():
    config = configured()
    without = text_of(of_sources(config, "scratch"))
    for other in (
        "*cohort*",
        "Labels for pre-training",
        "auto-encoding",
        "classification",
        "photographs",
        "compared by",
    ):
        assert other not in without, other
    assert "initialised at random, differently for each training set (baseline)" in without
    assert "pre-training runs" not in without
    images = text_of(of_sources(config, "natural-autoencoding"))
    assert "trained on 1100 images of *pictures*, for 6 epochs." in images
    assert "the sum of the mean absolute error" in images
    assert "*cohort*" not in images
    assert "the baseline" not in images
    scans = text_of(of_sources(config, "scratch", "t1-autoencoding"))
    assert "trained on 165 slices of 5 scans of *cohort*, for 16 epochs." in scans
    assert "Labels for pre-training" not in scans


def test_methods_describe_a_labelling_network():
    config = configured(label={"learn": {"scans": 3, "held_out": 1, "epochs": 20}}, pretrain={"held_out": 0})
    one = {"epochs": 1}
    text = text_of(
        of_sources(config, "t1-segmentation", "natural-segmentation", t1_segmentation=one, natural_segmentation=one)
    )
    assert "3 randomly drawn scans of *cohort* were labelled in this way. A U-Net [Ronneberger2015]_" in text
    assert "measured on 1 further scan." in text
    assert "for 1 epoch. No data augmentation was used." in text
    assert "held out to monitor" not in text


def test_methods_describe_the_augmentation_of_each_source():
    never, often = ({"probability": p, "low": -5, "high": 7.5} for p in (0, 0.5))
    augment = {
        "natural-segmentation": PHOTOS,
        "natural-autoencoding": PHOTOS,
        "t1-segmentation": {"rotation": often, "shear": never, "mirror": False},
        "t1-classification": {"shear": never, "mirror": False},
    }
    augmented = {name.replace("-", "_"): {"augment": kinds, "epochs": 1} for name, kinds in augment.items()}
    names = ("scratch", *augment, "t1-autoencoding")
    text = text_of(of_sources(configured(pretrain={"epochs": 1}), *names, **augmented))
    at_random = "slices were augmented at random each time they were seen, by"
    for said in (
        f"For *natural-segmentation* and *natural-autoencoding*, {at_random} rotation (up to ± 10°), scaling (up to "
        "± 10 %) and left-right mirroring (probability 0.5). ",
        f"For *t1-segmentation*, {at_random} rotation (−5 to 7.5°; probability 0.5). ",
        "For *t1-autoencoding* and *t1-classification*, no data augmentation was used. ",
        "the same for all sources, apart from the augmentation of pre-training.",
    ):
        assert said in text, said
    assert "*scratch*, no data augmentation" not in text
    alike = text_of(of_sources(configured(), "scratch", "natural-segmentation", "natural-autoencoding", **augmented))
    assert "no data augmentation was used" not in alike
    assert "the same for all sources." in alike


def test_methods_describe_the_augmentation_of_fine_tuning():
    config = configured()
    text = text_of(of_sources(config, "scratch"))
    assert (
        "For every source, slices were augmented at random each time they were seen in fine-tuning, by rotation" in text
    )
    kinds = config["finetune"]["augment"].keys() - {"mirror"}
    assert len(re.findall(r"[(;][^(;]*; probability 0\.\d+\)", text)) == len(kinds)
    assert "left-right mirroring (probability 0.5)." in text
    targets = {name: target | {"augment": name == "stroke"} for name, target in config["targets"].items()}
    in_part = text_of(of_sources(configured(targets=targets), "scratch"))
    assert "left-right mirroring (probability 0.5); for *ms* and *anatomy*, they were not." in in_part
    never = {name: target | {"augment": False} for name, target in targets.items()}
    assert "No data augmentation was used in fine-tuning." in text_of(of_sources(configured(targets=never), "scratch"))
    without = text_of(of_sources(configured(finetune={"augment": None}), "scratch"))
    assert "No data augmentation was used in fine-tuning." in without
    assert "augmented" not in without


def test_methods_describe_the_learning_rates_of_fine_tuning():
    tried = configured(finetune={"learning_rates": [0.01, 0.0001], "draws": 3, "encoder_factor": 0.1})
    text = text_of(of_sources(tried, "scratch", "t1-segmentation"))
    for said in (
        "chosen for each source and target task, from 0.01 and 10⁻⁴: the one with the highest score (the metric of the "
        "task) on validation scans, averaged over 3 random draws of training and validation scans from participants "
        "outside all test sets.",
        "the learning rate of the encoder was that of the decoder times 0.1.",
        "the same for all sources, apart from the learning rate of fine-tuning.",
    ):
        assert said in text, said
    one = text_of(of_sources(configured(finetune={"learning_rates": [0.01], "encoder_factor": 0}), "scratch"))
    assert "In fine-tuning, the initial learning rate was 0.01." in one
    assert "decoder, and the weights of the decoder were trained on labelled scans" in one
    assert "the same for all sources." in one
    assert "In fine-tuning" not in text_of(of_sources(configured(), "scratch"))


def test_methods_describe_the_splits():
    config = configured("studies/oasis.yaml")
    target = config["targets"]["anatomy"]
    target |= {"split": "redrawn", "resamples": 1, "test": 3, "sizes": [1, 2]}
    study = "studies/oasis.yaml"
    text = text_of(of_sources(config, "scratch"), study=study, people=8)
    assert "on 1 and 2 labelled scans, with 1 training set of each size." in text
    assert "comprised at least 3 scans, drawn at random by participant and redrawn for each resample." in text
    target |= {"resamples": 4, "sizes": [12], "split": "fixed"}
    text = text_of(of_sources(config, "scratch"), study=study)
    assert "all 12 scans that were not in the test set, 4 times (resamples) with different initial weights" in text
    del target["test"]
    target |= {"resamples": 10, "sizes": [0, 4, 12], "split": "cross-validation", "folds": 5}
    text = text_of(of_sources(config, "scratch"), study=study)
    assert "on 4 and 12 labelled scans, with 10 training sets of each size (resamples)." in text
    assert (
        "All 15 scans were tested by 5-fold cross-validation, repeated 2 times with different folds: scans were divided"
        in text
    )
    assert (
        "tested on one fold and trained on scans of the others, with the same folds for all sources and sizes." in text
    )
    assert "For *anatomy*, whose scans were cross-validated, each resample was tested on scans of its own" in text
    assert "The test set comprised" not in text


def test_methods_describe_participants_of_whom_little_is_known():
    study = "studies/oasis.yaml"
    config = configured(study)
    unknown = {
        "age_known": 0,
        "age_mean": None,
        "age_sd": None,
        "age_min": None,
        "age_max": None,
        "female": 0,
        "male": 0,
    }
    assert "[Marcus2007]_." in text_of(of_sources(config, "scratch"), study=study, **unknown, sex_unknown=9)
    one = unknown | {"age_known": 1, "age_mean": 30.0, "age_min": 30.0, "age_max": 30.0, "female": 1, "sex_unknown": 8}
    text = text_of(of_sources(config, "scratch"), study=study, **one, sites="A, B")
    assert "(mean age 30.0 years, range 30 to 30, known for 1; 1 female, sex unknown for 8; 2 sites)" in text


def test_methods_describe_a_unet_its_transfer_and_equal_steps():
    config = configured(
        network={"decoder": "unet", "unet_widths": [32, 16, 8, 8, 4]},
        training={"norms": "reestimated", "warm_up": 0.1},
    )
    for target in config["targets"].values():
        target.update(epochs=None, steps=200)
    names = ("scratch", "t1-segmentation", "t1-autoencoding", "t1-classification")
    text = text_of(of_sources(config, *names, t1_segmentation={"transfer": "all"}))
    for said in (
        "The networks were U-Nets [Ronneberger2015]_",
        "had 32, 16, 8, 8 and 4 channels",
        "no skip connections, with which it would have copied the image",
        "the last map of the encoder was averaged over its pixels",
        "The following sources of initial weights were compared",
        "For *t1-segmentation*, all layers that fitted the target network were transferred, and for "
        "*t1-autoencoding* and *t1-classification* the encoder alone; the other layers",
        "fine-tuned for 200 updates on",
        "During the first 10 % of the updates the learning rate rose linearly from zero",
        "the statistics of batch normalisation were re-estimated from the training slices",
    ):
        assert said in text, said
    for other in ("latent", "Zamir2018", "epochs on 2"):
        assert other not in text, other
    depths = {
        5: "without its fully connected layer. Each of the five steps",
        4: "its fully connected layer. Each of the four",
    }
    for steps, said in depths.items():
        config["network"]["unet_widths"] = [8] * steps
        text = text_of(of_sources(config, *names))
        assert said in text, said
        assert ("its last layer of blocks" in text) == (steps == 4)


def test_methods_name_the_library_of_a_backbone():
    text = text_of(configured(network={"decoder": "unet", "encoder": "monai/efficientnet-b0", "unet_widths": [8] * 5}))
    assert "the network *efficientnet-b0* of MONAI [Cardoso2022]_" in text
    assert "PyTorch 2.13.0 [Paszke2019]_ and MONAI 1.6 [Cardoso2022]_." in text


def test_methods_describe_the_restoration_of_slices():
    masked = {"dataset": "cohort", "task": "masked-autoencoding", "hidden": 0.75, "patch": 4}
    declared = {"masked": masked, "restored": {"dataset": "cohort", "task": "restoring"}}
    config = configured(pretrain={"sources": declared})
    text = text_of(config)
    for said in (
        "For masked auto-encoding and the restoration of distorted slices, the decoder had one output channel.",
        "For masked auto-encoding it had no skip connections.",
        "hidden patches of the slices of *cohort* (masked auto-encoding [He2022]_). Of the patches of 4 × 4 pixels, "
        "75 %, drawn at random, were set to zero. The loss was the mean absolute error over the pixels that this "
        "changed.",
        "restoration of the slices of *cohort* after random distortions (Models Genesis [Zhou2019]_): local shuffling "
        "of pixels, monotonic changes of intensity, and painting of rectangles inside or outside. The loss was the "
        "mean absolute error over all pixels.",
    ):
        assert said in text, said
    assert "Labels for pre-training" not in text
    assert "one output channel" not in text_of(of_sources(configured(), "t1-segmentation"))
