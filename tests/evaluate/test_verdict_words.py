import math

import pytest

from headstart.evaluate import verdict_words


def saved(*numbers):
    """The words for a number of scans saved and the ends of its interval, each with its sign."""
    names = ("saved", "saved_low", "saved_high")
    row = {name: value for name, (_, value) in zip(names, numbers, strict=True)}
    return verdict_words.saved(row | {f"{name}_is": sign for name, (sign, _) in zip(names, numbers, strict=True)})


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([("=", 3.2), ("=", 1), (">", 8)], "3 labelled scans [95 % CI 1, > 8]"),
        ([(">", 3), (">", 3), (">", 3)], "more than 3 labelled scans"),
        ([("<", 0), ("<", 0), ("<", 0)], "less than 0 labelled scans"),
        ([(">", 3), ("=", 1), (">", 3)], "> 3 labelled scans [95 % CI 1, > 3]"),
        ([("n/a", math.nan)] * 3, "an unknown number of labelled scans"),
    ],
)
def test_scans_saved_in_words(numbers, words):
    assert saved(*numbers) == words
