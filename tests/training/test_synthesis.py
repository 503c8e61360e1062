"""Synthetic images: their greys, their classes and what is done to both follow from labels and the seed of the step."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import small
import torch

from headstart.job import UserError
from headstart.label_table import Label
from headstart.seeds import seed_for
from headstart.training import feed
from headstart.training.augment import Chance, augmentation
from headstart.training.loop import train
from headstart.training.synthesis import ANY, T1, Synthesis
from headstart.training.tasks import Segmentation

LABELS = (
    Label(3, "CSF", "fluid", 0.2, brain=True),
    Label(10, "thalamus", "thalamus", 0.5, brain=True),
    Label(49, "thalamus", "thalamus", 0.5, brain=True),
    Label(200, "white matter", "white matter", 0.8, brain=True),
    Label(66, "skin", "skin", 0.9, brain=False),
)
CLASSES = (0, 1, 1, 2, 3)
NEVER = Chance(0, 0, 0)
SPATIAL = {"rotation": (-40, 40), "scale": (0.7, 1.4), "shear": (-10, 10), "elastic": (0, 0.02)}


def always(**limits):
    """Settings of changes that always happen, by kind with their limits."""
    return {kind: {"probability": 1, "low": low, "high": high} for kind, (low, high) in limits.items()}


def synthesis(**changed):
    """A synthesis that only paints labels, unless ``changed``."""
    plain = {
        "labels": LABELS, "classes": CLASSES, "style": ANY, "texture": NEVER, "jitter": 0, "bend": 0, "strip": 0,
        "fineness": 1, "changes": augmentation({}),
    }  # fmt: skip
    return Synthesis(**plain | changed)


def everything(**changed):
    """A synthesis in which everything happens."""
    strengths = {"texture": Chance(0.8, 0, 0.1), "jitter": 0.03, "bend": 0.5, "strip": 0.5, "fineness": 2}
    return synthesis(**strengths | {"changes": small.augmentation()} | changed)


def maps(count=6, size=64):
    """Label maps of a head: skin around white matter, with fluid and two thalami in it."""
    along = (torch.arange(size) + 0.5) / size - 0.5
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    thalami = ((10, -0.1, -0.12, 0.09), (49, -0.1, 0.12, 0.09))
    head = torch.zeros(size, size, dtype=torch.uint8)
    for value, row, column, radius in ((66, 0, 0, 0.4), (200, 0, 0, 0.33), (3, 0.15, 0, 0.1), *thalami):
        head[torch.hypot(rows - row, columns - column) < radius] = value
    return head.repeat(count, 1, 1)


def call(made, labels, seed=0):
    return made(torch.empty(len(labels), 1, 0, 0), labels, torch.Generator().manual_seed(seed))


def greys(images, labels, value):
    """The grey of a label in each slice, which must be one; (B,)."""
    found = [image[0][label == value].unique() for image, label in zip(images, labels, strict=True)]
    assert all(len(one) == 1 for one in found)
    return torch.cat(found)


@pytest.mark.parametrize("style", [ANY, T1])
def test_each_material_is_painted_in_one_grey_and_air_is_black(style):
    labels = maps()
    images, classes = call(synthesis(style=style, jitter=0.05, bend=0.5), labels)
    assert images.shape == (6, 1, 64, 64)
    assert images.dtype == torch.float32
    assert images[:, 0][labels == 0].max() == 0
    left, right, fluid, white = (greys(images, labels, value) for value in (10, 49, 3, 200))
    assert torch.equal(left, right)
    assert len(torch.cat([left, fluid, white]).unique()) == 18
    assert classes.dtype == torch.uint8
    for label, number in zip(LABELS, CLASSES, strict=True):
        assert (classes[labels == label.value] == number).all()
    assert classes[labels == 0].max() == 0


def test_values_without_a_label_are_air():
    labels = torch.full((1, 4, 4), 77, dtype=torch.uint8)
    images, classes = call(synthesis(), labels)
    assert images.max() == classes.max() == 0


def test_any_style_draws_every_order_of_greys_evenly_from_black_to_white():
    labels = torch.tensor([[[3, 10], [200, 66]]], dtype=torch.uint8).repeat(3000, 1, 1)
    images, _ = call(synthesis(), labels)
    three = images[:, 0].flatten(1)[:, :3]
    orders = {tuple(order): 0 for order in itertools.permutations(range(3))}
    for order in three.argsort(1).tolist():
        orders[tuple(order)] += 1
    assert min(orders.values()) > 400
    quarters = torch.histc(three, 4, 0, 1) / three.numel()
    assert quarters.tolist() == pytest.approx([0.25] * 4, abs=0.02)


def test_t1_style_without_variation_shows_the_brightness_of_the_table():
    labels = maps(2)
    images, _ = call(synthesis(style=T1), labels)
    for label in LABELS:
        assert greys(images, labels, label.value).tolist() == pytest.approx([label.t1] * 2)


def test_t1_style_keeps_the_order_of_fluid_grey_and_white_matter_and_varies_their_differences():
    labels = torch.tensor([[[3, 10], [200, 66]]], dtype=torch.uint8).repeat(3000, 1, 1)
    images, _ = call(synthesis(style=T1, jitter=0.1, bend=0.9), labels)
    fluid, grey, white, _ = images[:, 0].flatten(1).T
    assert (fluid < grey).all()
    assert (grey < white).all()
    share = (grey - fluid) / (white - fluid)
    assert share.std() > 0.1
    assert share.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("fineness", [2, 3])
def test_a_pixel_shows_the_mean_of_what_lies_in_it(fineness):
    labels = torch.zeros(2, 4 * fineness, 4 * fineness, dtype=torch.uint8)
    labels[:, :, : fineness + 1] = 200  # one pixel, and one column of the next
    images, _ = call(synthesis(style=T1, fineness=fineness), labels)
    expected = torch.tensor([0.8, 0.8 / fineness, 0, 0]).expand(2, 1, 4, 4)
    torch.testing.assert_close(images, expected)


def test_the_class_of_a_pixel_is_that_of_its_centre():
    labels = torch.tensor(np.random.default_rng(0).choice([0, 3, 10, 49, 200, 66], (5, 96, 96)), dtype=torch.uint8)
    made = synthesis(fineness=3)
    _, classes = call(made, labels)
    assert np.array_equal(classes.numpy(), made.class_maps(labels.numpy())[:])


@pytest.mark.parametrize("style", [ANY, T1])
def test_image_and_classes_move_together(style):
    labels = maps()
    names = {label.name: number for number, label in enumerate(LABELS, 1)}
    made = synthesis(
        style=style, classes=[names[label.name] for label in LABELS],
        changes=augmentation(always(**SPATIAL) | {"mirror": True}),
    )  # fmt: skip
    images, classes = call(made, labels)
    still, _ = call(replace(made, changes=augmentation({})), labels)
    assert (classes != torch.tensor(made.class_maps(labels.numpy())[:])).float().mean() > 0.05
    for label in LABELS:
        greys(images, classes, names[label.name])
    assert images[:, 0][classes == 0].max() == 0
    assert (images.amax((1, 2, 3)) == still.amax((1, 2, 3))).all()


@pytest.mark.parametrize("fineness", [2, 4])
def test_finer_label_maps_of_the_same_head_move_in_the_same_way(fineness):
    changes = augmentation(always(**SPATIAL) | {"mirror": True})
    _, coarse = call(synthesis(changes=changes), maps(6, 64))
    _, fine = call(synthesis(changes=changes, fineness=fineness), maps(6, 64 * fineness))
    assert (coarse == fine).float().mean() > 0.97


def test_what_is_averaged_in_a_pixel_lies_around_its_centre_wherever_the_slice_is_moved():
    """Against an image that is moved as a photograph is, interpolated between its pixels."""
    made = synthesis(style=T1, fineness=4, changes=augmentation(always(**SPATIAL)))
    images, _ = call(made, maps(6, 256))
    still, _ = call(replace(made, fineness=1, changes=augmentation({})), maps(6, 256))
    moved, _ = made.changes(still, None, torch.Generator().manual_seed(0))
    means = torch.nn.functional.avg_pool2d(moved, 4)
    assert (images - means).abs().mean() < 0.01
    assert (images - means).mean().abs() < 0.001


def test_texture_has_its_deviation_and_happens_as_often_as_it_says():
    labels = torch.full((400, 32, 32), 10, dtype=torch.uint8)
    made = synthesis(style=T1, texture=Chance(0.5, 0.05, 0.05))
    images, _ = call(made, labels)
    deviations = images.std((1, 2, 3))
    grainy = deviations > 1e-6
    assert grainy.float().mean() == pytest.approx(0.5, abs=0.08)
    assert deviations[grainy].mean() == pytest.approx(0.05, rel=0.02)
    fine, _ = call(replace(made, fineness=2), labels)
    assert fine.std((1, 2, 3))[grainy].mean() == pytest.approx(0.025, rel=0.05)


def test_an_extracted_brain_has_no_trace_of_what_was_around_it():
    labels = maps(40)
    changes = augmentation(always(noise=(0.05, 0.1), blur=(1, 2)))
    images, classes = call(synthesis(strip=0.5, changes=changes), labels)
    stripped = torch.tensor([bool((image[0][labels[0] == 66] == 0).all()) for image in images])
    assert 10 <= stripped.sum() <= 30
    around = (labels == 66) | (labels == 0)
    assert images[:, 0][stripped][around[stripped]].max() == 0
    assert images[:, 0][~stripped][labels[~stripped] == 0].max() > 0
    assert classes[stripped].unique().tolist() == [0, 1, 2]
    assert classes[~stripped].unique().tolist() == [0, 1, 2, 3]


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_threads():
    labels = maps(17, 98)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(call(everything(), labels, 2))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0][k], other[k]) for other in results for k in (0, 1))


def test_another_seed_gives_others_and_what_ran_before_does_not_matter():
    labels, kept = maps(), maps()
    first, _ = call(everything(), labels, 1)
    torch.rand(7)
    again, _ = call(everything(), labels, 1)
    other, _ = call(everything(), labels, 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(labels, kept)
    assert 0 <= first.min() <= first.max() <= 1
    assert len({image.numpy().tobytes() for image in first}) == 6


def test_label_maps_with_a_value_that_the_table_lacks_are_refused():
    with pytest.raises(UserError, match="value 77.*add it"):
        synthesis().check(np.array([[[0, 3, 77]]], np.uint8))


def rendered(labels, seed):
    chunks = everything().render(labels, seed, torch.device("cpu"))
    return map(np.concatenate, zip(*chunks, strict=True))


def test_rendered_slices_are_stored_as_scans_are():
    labels = maps(70, 32)
    images, classes = rendered(labels.numpy(), 5)
    assert (images.dtype, images.shape) == (np.uint16, (70, 16, 16))
    assert (classes.dtype, classes.shape) == (np.uint8, (70, 16, 16))
    expected, _ = call(everything(), labels[:64], 5)
    assert np.array_equal(images[:64], np.rint(expected[:, 0].double().numpy() * 65535))
    again, _ = rendered(labels.numpy(), 5)
    assert np.array_equal(images, again)
    assert len({image.tobytes() for image in images}) == 70


def trained(labels, model, made, **settings):
    slices = feed.load_labels(labels.numpy(), 32**2, torch.device("cpu"), None)
    training = small.training(
        **{"epochs": 3, "batch_size": 12, "learning_rate": 1e-2, "precision": "float32"} | settings
    )
    return train(model, slices, Segmentation(np.ones(4)), training, seed=1, augment=made)


def tiny_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ZeroPad2d(1))


def test_a_training_on_label_maps_sees_other_images_in_each_step_and_repeats_to_the_byte():
    labels = maps(12, 64)
    first, second = tiny_model(), tiny_model()
    history = trained(labels, first, everything())
    assert trained(labels, second, everything()) == history
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    frozen = trained(labels, tiny_model(), everything(), learning_rate=0)
    assert len({row["loss"] for row in frozen}) == 3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_norms_are_reestimated_on_synthetic_images_in_full_precision(precision):
    labels, model = maps(12, 64), tiny_model()
    trained(labels, model, everything(), norms="reestimated", precision=precision)
    images, _ = call(everything(), labels, seed_for(1, "norms", 0))
    expected = model[0](images)
    tolerance = 1e-4 if precision == "float32" else 2e-2
    assert torch.allclose(model[1].running_mean, expected.mean((0, 2, 3)), rtol=tolerance, atol=tolerance / 10)


def test_a_network_learns_from_label_maps_alone_what_it_finds_in_images_of_new_contrast():
    changes = augmentation(always(rotation=(-90, 90), noise=(0, 0.03)))
    made = synthesis(style=T1, jitter=0.05, bend=0.3, changes=changes)
    labels = maps(16, 32)
    model = small.architecture(decoder="unet").make_segmenter(4, 0)
    slices = feed.load_labels(labels.numpy(), 16**2, torch.device("cpu"), None)
    settings = small.training(20, batch_size=8, learning_rate=3e-3, norms="reestimated", precision="float32")
    train(model, slices, Segmentation(np.ones(4)), settings, seed=1, augment=made)
    images, classes = call(made, labels, 99)
    with torch.inference_mode():
        found = model.eval()(images).argmax(1)
    wrong, most_common = (found != classes).float().mean(), (classes != 0).float().mean()
    assert wrong < most_common / 3
