"""The length of a training and its learning rates, by hand."""

import pytest
import small


def rates(steps_per_epoch, count, **changes):
    settings = small.training(batch_size=2, learning_rate=1.0, **{"epochs": None, **changes})
    return [settings.rate(step, steps_per_epoch) for step in range(count)]


def test_the_rate_decays_between_two_epochs():
    assert rates(2, 8, epochs=4) == [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1]
    assert rates(1, 5, epochs=5) == [1, 1, 1, 0.1, 0.1]


def test_the_rate_decays_after_a_fraction_of_the_steps_whatever_an_epoch_has():
    for steps_per_epoch in (1, 3, 10):
        assert rates(steps_per_epoch, 4, steps=4) == [1, 1, 0.1, 0.1]


def test_the_rate_rises_from_the_first_step_to_the_end_of_the_warm_up():
    assert rates(4, 10, steps=10, warm_up=0.4, decay_after=0.8) == pytest.approx([0.25, 0.5, 0.75, *[1] * 5, 0.1, 0.1])


def test_steps_or_epochs_give_the_length():
    assert small.training(3, 2).total_steps(5) == 15
    assert small.training(None, 2, steps=7).total_steps(5) == 7
