"""Repeated cross-validation over people: every scan is tested once in each repeat."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.datasets import folds, splits
from headstart.datasets.scan import Scan
from headstart.job import UserError


def scans(persons):
    """One scan for each entry, of the person that it names."""
    return [Scan("set", f"{i:02d}", f"p{person}", Path("a"), (Path("b"),)) for i, person in enumerate(persons)]


def draws(persons, count, resamples, size, seed=1):
    return [
        splits.draw("t", scans(persons), None, size, resample, seed, split="cross-validation", folds=count)
        for resample in range(1, resamples + 1)
    ]


def repeats(drawn, count):
    """Draws in groups of this many."""
    return [drawn[first : first + count] for first in range(0, len(drawn), count)]


def target(**changes):
    """A configuration of one target."""
    entry = {"dataset": "b", "split": "cross-validation", "folds": 5, "resamples": 10, "sizes": [1]} | changes
    entry = {key: value for key, value in entry.items() if value is not None}
    return {"targets": {"t": entry}, "finetune": {"learning_rates": []}, "evaluate": {"training_scans": "population"}}


@given(st.lists(st.integers(0, 9), min_size=4, max_size=16), st.integers(2, 4), st.integers(0, 50))
def test_the_folds_of_each_repeat_divide_the_people(persons, count, seed):
    of = {scan.subject: scan.person for scan in scans(persons)}
    if len(set(persons)) < count:
        with pytest.raises(UserError, match=f"t.folds is {count}, but the dataset has {len(set(persons))} people; low"):
            draws(persons, count, count, 1, seed)
        return
    drawn = draws(persons, count, 3 * count, 1, seed)
    for repeat in repeats(drawn, count):
        # Each person, with all of their scans, in one fold.
        assert sorted(subject for each in repeat for subject in each.test) == sorted(of)
        people = [{of[subject] for subject in each.test} for each in repeat]
        assert sum(map(len, people)) == len(set(persons))
        # No two folds differ by more scans than a person has.
        sizes = [len(each.test) for each in repeat]
        assert max(sizes) - min(sizes) <= max(Counter(persons).values())
    for each in drawn:
        assert not {of[subject] for subject in each.train} & {of[subject] for subject in each.test}
        assert sorted(each.train + each.test + each.unused) == sorted(of)


def test_fourteen_people_in_five_folds():
    drawn = repeats(draws(range(14), 5, 20, 11), 5)
    assert [[len(each.test) for each in repeat] for repeat in drawn] == [[3, 3, 3, 3, 2]] * 4
    assert len({frozenset(each.test for each in repeat) for repeat in drawn}) == 4


def test_sizes_share_the_folds_and_resamples_differ_in_training_sets():
    small, large = draws(range(15), 5, 10, 2), draws(range(15), 5, 10, 12)
    assert [each.test for each in small] == [each.test for each in large]
    assert all(not each.unused for each in large)
    assert len({each.train for each in small}) > 5


def test_a_cross_validation_depends_on_seed_and_target_alone():
    known = draws(range(15), 5, 5, 4)
    backwards = [
        splits.draw("t", scans(range(15))[::-1], None, 4, resample, 1, split="cross-validation", folds=5)
        for resample in range(1, 6)
    ]
    assert known == backwards
    assert draws(range(15), 5, 5, 4, seed=2) != known
    assert folds.cut("u", scans(range(15)), 5, 1, 1) != folds.cut("t", scans(range(15)), 5, 1, 1)


def test_without_training_one_network_tests_all_scans():
    (drawn,) = draws(range(6), 3, 1, 0)
    assert drawn == splits.Split((), tuple(f"{i:02d}" for i in range(6)), ())


def test_no_training_set_is_larger_than_what_the_largest_fold_leaves():
    """Of 14 people, 3 in a fold: 11 remain."""
    assert len(draws(range(14), 5, 1, 11)[0].train) == 11
    sentence = "t.sizes asks for 12 training scans, but only 11 are left outside the test set; lower it, or give more f"
    with pytest.raises(UserError, match=sentence):
        draws(range(14), 5, 1, 12)
    assert len(draws(range(14), 7, 1, 12)[0].train) == 12


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"test": 3}, "targets.t has test, but split: cross-validation tests every scan; remove one of the two."),
        ({"folds": None}, "targets.t lacks the key 'folds', which split: cross-validation needs; add it, such as 5."),
        (
            {"resamples": 12},
            "targets.t.resamples is 12, but each repeat of a cross-validation has one resample for each of 5 folds; "
            "set it to a multiple, such as 10.",
        ),
        (
            {"resamples": 2},
            "targets.t.resamples is 2, but each repeat of a cross-validation has one resample for each of 5 folds; "
            "set it to a multiple, such as 5.",
        ),
        (
            {"split": "fixed", "test": 3},
            "targets.t has folds without split: cross-validation; add it, or remove folds.",
        ),
        (
            {"split": "redrawn", "folds": None},
            "targets.t lacks the key 'test'; add it, or set split to cross-validation.",
        ),
    ],
)
def test_a_mistake_is_one_sentence(changes, sentence):
    with pytest.raises(UserError) as caught:
        folds.check(target(**changes))
    assert str(caught.value) == sentence


def test_settings_that_fit_pass():
    folds.check(target())
    folds.check(target(split="fixed", folds=None, test=3))


def test_learning_rates_have_no_scans_to_be_tried_on():
    config = target() | {"finetune": {"learning_rates": [1e-3, 1e-4]}}
    with pytest.raises(UserError) as caught:
        folds.check(config)
    assert str(caught.value) == (
        "finetune.learning_rates tries rates on scans of no test set, of which the cross-validation of targets.t "
        "leaves none; give one rate."
    )
    folds.check(config | {"finetune": {"learning_rates": [1e-3]}})


def test_a_source_has_no_scans_of_the_target_to_be_trained_on():
    source = {"dataset": "b", "task": "autoencoding"}
    config = target() | {
        "datasets": {"b": {"layout": "bids"}},
        "pretrain": {"sources": {"scratch": {}, "own": source}, "held_out": 1},
    }
    found = {"b": {scan.subject: scan for scan in scans(range(6))}}
    drawn = {("t", 2, number): split for number, split in enumerate(draws(range(6), 3, 3, 2), start=1)}
    omitted = splits.left_out(config, found, drawn)
    assert omitted == {"b": sorted(found["b"])}
    with pytest.raises(UserError) as caught:
        splits.check_usable(config, found, drawn, omitted)
    assert str(caught.value) == (
        "pretrain.sources.own is trained on scans of datasets.b, all of which the cross-validation of targets.t tests; "
        "name another dataset, or give targets.t a test set."
    )


def test_training_sets_are_drawn_from_all_scans_and_say_something_of_others():
    drawn = draws(range(15), 5, 5, 12)
    pool = splits.pool_size(scans(range(15)), drawn[0], "cross-validation")
    assert pool == 15
    splits.check_population(target(sizes=[4, 12]), {"t": pool})
