from methods_of import configured, text_of


def test_methods_describe_sources_of_any_name_on_any_dataset():
    """Several datasets of one task, manual labels, a target's own scans, own lengths and rates, and a file."""
    sources = {
        "scratch": {},
        "cohort-tissues": {"dataset": "cohort", "task": "segmentation"},
        "own": {"dataset": "anatomy", "task": "autoencoding", "steps": 400},
        "dense": {"dataset": "anatomy", "task": "segmentation", "labels": "target", "learning_rate": 0.01},
        "rad": {"weights": {"file": "weights/RadImageNet.pt"}},
    }
    text = text_of(configured(pretrain={"sources": sources}), left_out={"anatomy": ["01", "02"]})
    for said in (
        "The labels of *cohort* were generated automatically. In the native space of each scan, voxels",
        "- *cohort-tissues*: segmentation of the slices of *cohort* into background, cerebrospinal fluid, grey matter "
        "and white matter. The loss was",
        "- *dense*: segmentation of the slices of *anatomy* into 6 foreground classes (white matter, cortical grey "
        "matter, basal ganglia and thalami, ventricles, cerebellum and brain stem) and background, the ground truth "
        "labels. The loss was that of *cohort-tissues*.",
        "- *own*: reconstruction of the slices of *anatomy*. The loss was",
        "trained elsewhere (file RadImageNet.pt).",
        "5 scans of *cohort* and 66 slices of 2 scans of *anatomy*, for 16 epochs (*cohort-tissues* and *dense*) and "
        "400 updates (*own*).",
        "Scans of participants in a test set (2 scans of *anatomy*) took no part in pre-training.",
        "For *dense*, the initial learning rate of pre-training was 0.01.",
        "apart from the length of pre-training and the learning rate of pre-training.",
        "Dataset *anatomy* (pre-training and target *anatomy*)",
    ):
        assert said in text, said


def test_methods_describe_images_made_of_label_maps():
    datasets = configured()["datasets"] | {"heads": {"layout": "synthetic", "people": 5}}
    entry = {"dataset": "heads", "task": "segmentation", "transfer": "all"}
    two = entry | {
        "synthesis": "any",
        "structures": {"deep": ["caudate", "putamen"], "white": ["cerebral white matter"]},
    }
    sources = {"scratch": {}, "dense": entry, "two": two}
    text = text_of(configured(datasets=datasets, pretrain={"sources": sources}))
    for said in (
        "segmentation of images made of the slices of *heads* into",
        "2 foreground classes (deep and white) and background",
        "with the brightness of structures in T1-weighted images varied at random; 50 % of the images were skull-",
        "with a random brightness of each material; 50 %",
        "slices of 4 synthetic heads of *heads*",
        "Further data (1 synthetic head of *heads*)",
        "For *dense* and *two*, all layers that fitted the target network were transferred; the other layers were "
        "initialised at random. Then all weights were trained",
        "For *dense* and *two*, slices were augmented at random each time they were seen, by",
        "Billot B,",
    ):
        assert said in text, said
    assert "No data augmentation" not in text


def test_methods_describe_label_maps_of_scans_without_those_of_test_people():
    maps = {"layout": "synthetic", "scans": "anatomy", "clusters": {"labels": 2}}
    sources = {"scratch": {}, "dense": {"dataset": "maps", "task": "segmentation"}}
    config = configured(datasets=configured()["datasets"] | {"maps": maps}, pretrain={"sources": sources})
    text = text_of(config, left_out={"anatomy": ["01", "02"]})
    for said in (
        "cerebellum and brain stem) and background. These were label maps of the scans of *anatomy*: the manual "
        "labels, each divided into 2 parts of similar intensity, and the rest of the brain and of the head, divided "
        "into 3 and 4 parts of similar intensity by optimal one-dimensional k-means clustering",
        "slices of 2 label maps of *maps*",
        "Further data (1 label map of *maps*)",
        "Scans of participants in a test set (2 scans of *anatomy*) took no part in pre-training.",
        "Wang H, Song M.",
    ):
        assert said in text, said
    assert "random smooth deformations" not in text


def test_methods_say_which_sources_were_evaluated_without_a_labelled_scan():
    text = text_of(configured("studies/oasis.yaml"), study="studies/oasis.yaml")
    said = "by the pre-trained networks of *phantom-anatomy* and *synthetic-anatomy*, whose classes include"
    assert said in text
    assert "fine-tuned for 200 updates on 1, 2 and 4 labelled scans" in text
    assert "In total, 45 networks were fine-tuned." in text
    assert "Networks without fine-tuning took no part in comparisons." in text
    for default in (text_of(configured()), text_of(configured("studies/paper.yaml"), study="studies/paper.yaml")):
        assert "without fine-tuning" not in default
        assert "pre-trained networks of" not in default


def test_methods_describe_sources_that_continue_others_and_are_pre_trained_several_times():
    entry = {"dataset": "cohort", "transfer": "all"}
    declared = {
        "scratch": {},
        "imagenet": {"weights": {"file": "resnet18.pth"}},
        "first": entry | {"task": "restoring", "start": "imagenet", "repeats": 2},
        "second": entry | {"task": "segmentation", "start": "first"},
        "shown": {"dataset": "cohort", "task": "classification", "start": "first"},
        "alone": entry | {"task": "masked-autoencoding"},
    }
    config = configured(pretrain={"sources": declared})
    text = text_of(config)
    for said in (
        "The training started with the encoder of *imagenet*.",
        "The training started with the encoder and, as far as it fitted, the decoder of *first*.",
        "presence of the brain and of each of the fifteen structures.",
        "The training started with the encoder of *first*.",
        "Apart from *second*, *shown* and *first*, all pre-trained encoders started from the same random "
        "initialisation. Sources were trained on ",
        "The pre-training of *first* was run 2 times with different random numbers (initial weights, order of the "
        "slices, data held out), and the resamples of a target task were fine-tuned from these runs in turn.",
        "The confidence intervals did not include the variability between pre-training runs of *second*, *shown* and "
        "*alone*, which had one run each.",
    ):
        assert text.count(said) == 1, said
    assert "Each source was pre-trained once" not in text
    assert "shared a pre-training run" not in text


def test_methods_say_which_pre_trainings_several_resamples_share():
    entry = {"dataset": "cohort", "task": "restoring", "repeats": 2}
    config = configured(pretrain={"sources": {"scratch": {}, "a": entry, "b": entry | {"start": "a"}}})
    assert "which had one run each" not in text_of(config)
    for target in config["targets"].values():
        target["resamples"] = 3
    text = text_of(config)
    assert "Several training sets of one size shared a pre-training run of *a* and *b*. The confidence" in text
    assert "The pre-training of *a* and *b* was run 2 times" in text
