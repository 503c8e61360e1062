import functools
import gc
import logging
import math
import weakref

import numpy as np
import pytest
import small
import torch
from torch import nn
from torch.nn import functional

from headstart.job import UserError
from headstart.networks.architectures import Segmenter
from headstart.seeds import seed_for
from headstart.training import devices, loop, trainer
from headstart.training.checkpoint import Checkpoint
from headstart.training.tasks import Segmentation

SMALL = small.architecture()
HAS_BFLOAT16 = bool(getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16"))
WEIGHTS = np.array([0.5, 2.0])


def squares(slices, size=32, seed=0):
    """Bright squares on a dim noisy background, and their masks."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((slices, size, size), np.uint8)
    for label in labels:
        row, column = rng.integers(0, size // 2, 2)
        label[row : row + size // 2, column : column + size // 2] = 1
    return (labels * np.uint16(40000) + rng.integers(0, 20000, labels.shape)).astype(np.uint16), labels


def train(model, images, labels, settings, seed, weights=WEIGHTS, **options):
    """Train a segmentation, and return its history."""
    return loop.train(model, small.resident(images, labels), Segmentation(weights), settings, seed, **options)


def predict(model, images, **options):
    return loop.predict(model, images, precision="float32", **options)


def small_model(seed=1):
    return Segmenter(SMALL.make_encoder(seed), SMALL.make_decoder(2, seed))


def tiny_model():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def same_weights(first, second):
    return all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


@pytest.mark.parametrize(
    "precision",
    ["float32", pytest.param("bfloat16", marks=pytest.mark.skipif(not HAS_BFLOAT16, reason="no bfloat16 here"))],
)
def test_the_same_seed_gives_the_same_network_byte_for_byte(precision):
    images, labels = squares(10)
    settings = small.training(2, batch_size=4, precision=precision)
    trained = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        model = small_model()
        history = train(model, images, labels, settings, seed=7)
        trained.append((model, history))
    assert same_weights(trained[0][0], trained[1][0])
    assert trained[0][1] == trained[1][1]


def test_another_seed_gives_another_order():
    images, labels = squares(8)
    models = [tiny_model(), tiny_model()]
    for seed, model in enumerate(models):
        train(model, images, labels, small.training(1, batch_size=4), seed)
    assert not same_weights(*models)


def test_losses_are_those_of_a_plain_loop():
    images, labels = squares(10)
    settings = small.training(4, batch_size=4, learning_rate=1e-2, weight_decay=1e-3, precision="float32")
    model, reference = tiny_model(), tiny_model()
    history = train(model, images, labels, settings, seed=5)

    x = torch.tensor(images.astype(np.float32) / 65535)[:, None]
    y = torch.tensor(labels.astype(np.int64))
    optimiser = torch.optim.Adam(reference.parameters(), lr=1e-2, weight_decay=1e-3, foreach=False)
    for epoch, row in enumerate(history):
        optimiser.param_groups[0]["lr"] = 1e-2 if epoch < 2 else 1e-3
        total = 0
        for batch in trainer._batches(10, 4, seed_for(5, "epoch", epoch)):
            loss = functional.cross_entropy(reference(x[batch]), y[batch], torch.tensor([0.5, 2.0]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        assert row["loss"] == pytest.approx(total / 10, rel=1e-4)


@pytest.mark.parametrize(("size", "layout"), [(32, torch.contiguous_format), (96, torch.channels_last)])
def test_the_papers_protocol_has_the_bytes_of_a_loop_without_anything_else(size, layout):
    """The paper's decoder, running norms, epochs, no augmentation: what else a training can have leaves no trace."""
    images, labels = squares(22, size)
    settings = small.training(4, batch_size=8, learning_rate=1e-3, weight_decay=2e-4, precision="float32")
    model, reference = small_model(), small_model()
    train(model, images, labels, settings, seed=5)

    reference.to(memory_format=layout).train()
    x = torch.tensor(images).float()[:, None] / 65535
    y, weights = torch.tensor(labels.astype(np.int64)), torch.tensor(WEIGHTS, dtype=torch.float32)
    optimiser = torch.optim.Adam(reference.parameters(), lr=1e-3, weight_decay=2e-4, fused=True)
    for epoch in range(4):
        optimiser.param_groups[0]["lr"] = 1e-3 if epoch < 2 else 1e-4
        order = torch.randperm(22, generator=torch.Generator().manual_seed(seed_for(5, "epoch", epoch)))
        for batch in order.split(8):
            each = functional.cross_entropy(reference(x[batch]), y[batch], weights, reduction="none")
            optimiser.zero_grad()
            (each.sum() / weights[y[batch]].sum()).backward()
            optimiser.step()
    assert same_weights(model.cpu(), reference)


@pytest.mark.skipif(not HAS_BFLOAT16, reason="no bfloat16 here")
def test_bfloat16_trains_as_well_as_float32():
    images, labels = squares(16)
    losses = {}
    for precision in ("float32", "bfloat16"):
        settings = small.training(6, batch_size=8, learning_rate=1e-3, precision=precision)
        losses[precision] = train(small_model(), images, labels, settings, seed=1)[-1]["loss"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1)


def test_it_learns_to_segment():
    images, labels = squares(24)
    model = tiny_model()
    history = train(
        model, images, labels, small.training(20, batch_size=8, learning_rate=3e-2), seed=1, weights=np.ones(2)
    )
    assert history[-1]["loss"] < history[0]["loss"] / 3
    unseen, masks = squares(4, seed=9)
    assert (predict(model, unseen) == masks).mean() > 0.97


def test_a_training_of_some_steps_ends_within_an_epoch():
    images, labels = squares(10)
    settings = small.training(None, batch_size=4, steps=7)
    model = tiny_model()
    history = train(model, images, labels, settings, seed=1)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert model[1].num_batches_tracked == 7


def test_as_many_steps_as_there_are_in_the_epochs_give_the_same_network():
    images, labels = squares(10)
    by_epochs, by_steps = tiny_model(), tiny_model()
    train(by_epochs, images, labels, small.training(4, batch_size=4, learning_rate=1e-2), seed=1)
    train(by_steps, images, labels, small.training(None, batch_size=4, steps=12, learning_rate=1e-2), seed=1)
    assert same_weights(by_epochs, by_steps)


def test_an_encoder_factor_of_zero_freezes_the_encoder_and_nothing_else():
    images, labels = squares(8)
    model, start = small_model(), small_model()
    settings = small.training(1, batch_size=4, encoder_factor=0, weight_decay=0, learning_rate=1e-2)
    train(model, images, labels, settings, seed=1)
    for name, weights in model.named_parameters():
        assert torch.equal(weights, start.get_parameter(name)) == name.startswith("encoder."), name


def test_reestimated_norms_are_means_over_the_training_slices():
    images, labels = squares(12)
    settings = small.training(3, batch_size=12, learning_rate=1e-2, precision="float32", norms="reestimated")
    model = tiny_model()
    train(model, images, labels, settings, seed=1)
    maps = model[0](torch.tensor(images.astype(np.float32) / 65535)[:, None])
    assert torch.allclose(model[1].running_mean, maps.mean((0, 2, 3)), rtol=1e-4)
    assert torch.allclose(model[1].running_var, maps.var((0, 2, 3)), rtol=1e-4)


def test_reestimating_norms_changes_no_weight():
    images, labels = squares(12)
    running, reestimated = tiny_model(), tiny_model()
    for model, norms in ((running, "running"), (reestimated, "reestimated")):
        train(model, images, labels, small.training(3, batch_size=4, norms=norms), seed=1)
    assert all(map(torch.equal, running.parameters(), reestimated.parameters()))
    assert not same_weights(running, reestimated)


def test_few_steps_look_like_failure_with_running_norms_and_not_with_reestimated_ones():
    # The artefact: the same weights, evaluated with averages that still hold their start, see nothing of the squares.
    images, labels = squares(32)
    unseen, masks = squares(16, seed=9)
    overlaps = {}
    for norms in ("running", "reestimated"):
        model = small_model()
        settings = small.training(None, batch_size=16, steps=24, learning_rate=3e-3, decay_after=1, norms=norms)
        train(model, images, labels, settings, seed=1, weights=np.ones(2))
        found = predict(model, unseen)
        overlaps[norms] = 2 * np.sum(found & masks) / (found.sum() + masks.sum())
    assert overlaps["running"] < 0.1
    assert overlaps["reestimated"] > 0.5


def test_the_learning_rate_is_divided_by_ten_after_half_the_epochs():
    images, labels = squares(4)
    history = train(tiny_model(), images, labels, small.training(2, batch_size=2, learning_rate=1e-3), seed=1)
    assert [row["learning_rate"] for row in history] == pytest.approx([1e-3, 1e-4])


@pytest.mark.parametrize(("slices", "sizes"), [(8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (3, [3]), (1, [1])])
def test_every_slice_is_visited_once_and_the_last_batch_has_more_than_one(slices, sizes):
    batches = trainer._batches(slices, 4, seed=1)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(slices))


def test_a_last_batch_of_one_slice_of_32_pixels_can_be_trained_on():
    images, labels = squares(5)
    history = train(small_model(), images, labels, small.training(1, batch_size=4), seed=1)
    assert math.isfinite(history[0]["loss"])


@pytest.mark.parametrize(("slices", "batch_size"), [(1, 32), (4, 1)])
def test_batches_of_one_are_refused(slices, batch_size):
    with pytest.raises(UserError, match="needs at least 2 slices per batch"):
        train(tiny_model(), *squares(slices), small.training(1, batch_size=batch_size), seed=1)


def test_read_only_slices_are_trained_on_and_not_changed():
    images, labels = squares(4)
    before = images.copy()
    images.flags.writeable = labels.flags.writeable = False
    train(tiny_model(), images, labels, small.training(1, batch_size=2), seed=1)
    assert np.array_equal(images, before)


def test_validation_sees_the_model_in_evaluation_mode_and_changes_nothing():
    images, labels = squares(6)
    modes = []

    def validation(model):
        modes.append(model.training)
        return float((predict(model, images) == labels).mean())

    with_score, without = small_model(), small_model()
    settings = small.training(2, batch_size=3)
    history = train(with_score, images, labels, settings, 1, validation=validation)
    plain = train(without, images, labels, settings, 1)
    assert modes == [False, False]
    assert same_weights(with_score, without)
    assert all(0 <= row["validation"] <= 1 for row in history)
    assert [row["validation"] for row in plain] == [None, None]
    assert [row["loss"] for row in plain] == [row["loss"] for row in history]


def test_the_history_contains_no_times():
    history = train(tiny_model(), *squares(4), small.training(1, batch_size=2), seed=1)
    assert [set(row) for row in history] == [{"epoch", "learning_rate", "loss", "validation", "fall"}]


def test_each_epoch_is_one_line_in_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="headstart"):
        train(
            tiny_model(),
            *squares(4),
            small.training(2, batch_size=2),
            seed=1,
            validation=lambda _: 0.5,
        )
    lines = [message for message in caplog.messages if message.startswith("epoch")]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: loss ")
    assert "validation 0.500" in lines[0]
    assert lines[1].endswith("0 s left")


def test_a_training_that_diverges_ends_itself_and_not_those_beside_it(tmp_path, caplog):
    images, labels = squares(8)
    settings = small.training(2, batch_size=4, precision="float32")
    slices, states = small.resident(images, labels), [tmp_path / str(number) for number in range(3)]

    def start(number):
        task = Segmentation(WEIGHTS)
        if number == 1:
            task.loss = lambda output, *_: output.sum() * math.nan
        return trainer.Trainer(
            small_model(), slices, task, settings, number, checkpoint=Checkpoint(states[number], "one", 60)
        )

    trainings = [functools.partial(start, number) for number in range(3)]
    ended = loop.train_together(trainings, slices.device, settings, 1)
    assert len(next(ended).history) == 2
    with pytest.raises(trainer.DivergedError, match="diverged in epoch 1"):
        next(ended)
    assert [path.exists() for path in states] == [True, False, True]  # the third goes on from its end
    assert list(start(2).run()) == []
    assert "diverged in epoch 1" in caplog.text


def test_divergence_stops_with_a_remedy():
    class Diverging(nn.Conv2d):
        def forward(self, images):
            return super().forward(images) * math.inf

    settings = small.training(3, batch_size=2, learning_rate=0.5)
    with pytest.raises(UserError, match=r"diverged in epoch 1 .* lower learning_rate, now 0\.5"):
        train(Diverging(1, 2, 1), *squares(4), settings, seed=1)


def test_global_state_is_restored():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    train(tiny_model_without_seeding(), *squares(4), small.training(1, batch_size=2), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def tiny_model_without_seeding():
    with torch.random.fork_rng():
        return tiny_model()


def test_trainings_that_are_not_asked_for_again_leave_the_random_state_alone():
    """The generator of two trainings, dropped after the first while another network is drawn."""
    slices, settings = small.resident(*squares(4)), small.training(1, batch_size=2)

    def trainer_of(seed):
        return trainer.Trainer(small_model(seed), slices, Segmentation(WEIGHTS), settings, seed)

    starts = [functools.partial(trainer_of, seed) for seed in (1, 2)]
    two = loop.train_together(starts, torch.device("cpu"), settings, 1)
    next(two)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    two.close()
    assert torch.equal(torch.rand(3), expected)


def test_the_automatic_precision_depends_on_the_processor(monkeypatch):
    cpu = torch.device("cpu")
    for abilities, precision in (
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bfloat16"),
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, "bfloat16"),
        ({"avx512_bf16": True, "amx_bf16": False, "cpu_name": "Intel Xeon"}, "float32"),
        ({"avx2": True}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=abilities: found, raising=False)
        assert devices.choose_precision("auto", cpu) == precision
        assert devices.choose_precision("float32", cpu) == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert devices.choose_precision("auto", cpu) == "float32"


def test_prediction_does_not_depend_on_batches_or_mode():
    images, _ = squares(7)
    model = small_model().train()
    whole = predict(model, images)
    assert model.training
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape
    assert np.array_equal(predict(model.eval(), images, batch_size=3), whole)
    assert not model.training


def test_the_prediction_is_the_most_likely_class():
    model = nn.Conv2d(1, 3, 1)
    model.weight.data = torch.tensor([0.0, 1.0, -1.0]).reshape(3, 1, 1, 1)
    model.bias.data = torch.tensor([0.5, 0.0, 0.0])
    assert predict(model, np.array([[[0, 65535]]], np.uint16)).tolist() == [[[0, 1]]]


def test_a_training_that_has_ended_is_freed_at_once():
    """Without Python's collector, which runs at any moment: a GPU that records a step cannot free another recording."""
    rng, settings, made = np.random.default_rng(0), small.training(1, batch_size=4, precision="float32"), []
    images, labels = rng.integers(0, 65536, (4, 32, 32), np.uint16), rng.integers(0, 2, (4, 32, 32), np.uint8)

    def start():
        segmenter, task = small.architecture().make_segmenter(2, 0), Segmentation(np.ones(2))
        training = trainer.Trainer(segmenter, small.resident(images, labels), task, settings, 1)
        made.append(weakref.ref(training))
        return training

    gc.disable()
    try:
        for ended in loop.train_together([start] * 2, torch.device("cpu"), settings, 1):
            del ended
        assert [reference() for reference in made] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(("free", "fits"), [(35, True), (8, False)])
def test_another_training_fits_beside_the_shared_slices_and_a_second_recording(free, fits, monkeypatch):
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 44e9)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free * 1e9, 80e9))
    assert loop.another_fits(torch.device("cuda"), 1, 40e9) == fits
