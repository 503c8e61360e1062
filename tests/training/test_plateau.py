import pytest

from headstart.training import plateau


def test_the_fall_is_that_from_the_third_to_the_last_quarter():
    assert plateau.fall([9, 9, 9, 9, 2, 4, 1, 2]) == pytest.approx(1 - 1.5 / 3)


def test_a_constant_loss_does_not_fall_and_a_rising_one_falls_by_less_than_nothing():
    assert plateau.fall([1.0] * 10) == 0
    assert plateau.fall([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]) == pytest.approx(-1)


def test_short_histories_are_not_judged():
    assert plateau.fall([3, 2, 1, 0.5, 0.2, 0.1, 0.05]) is None
