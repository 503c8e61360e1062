from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.datasets import splits
from headstart.datasets.scan import Scan
from headstart.job import UserError


def scans(count, persons=None):
    return [
        Scan("set", f"{i:02d}", f"p{i if persons is None else persons[i]}", Path("a"), (Path("b"),))
        for i in range(count)
    ]


def draw(target, cohort, test, size, resample, seed, split="fixed"):
    return splits.draw(target, cohort, test, size, resample, seed, split=split)


@given(st.integers(3, 12), st.integers(0, 100), st.integers(1, 5), st.data())
def test_no_person_is_in_both_training_and_test_set(people, seed, resample, data):
    persons = data.draw(st.lists(st.integers(0, people - 1), min_size=people, max_size=people))
    cohort = scans(people, persons)
    of = {scan.subject: scan.person for scan in cohort}
    try:
        drawn = draw("t", cohort, 1, 1, resample, seed)
    except UserError:
        assert len(set(persons)) == 1 or persons.count(max(persons, key=persons.count)) >= people - 1
        return
    assert not {of[s] for s in drawn.train} & {of[s] for s in drawn.test}
    assert sorted(drawn.train + drawn.test + drawn.unused) == sorted(of)


def test_resamples_share_the_test_set_and_differ_in_training_sets():
    draws = [draw("t", scans(30), 8, 5, r, 1) for r in range(1, 11)]
    assert len({d.test for d in draws}) == 1
    assert len(draws[0].test) == 8
    assert len({d.train for d in draws}) == 10
    assert all(len(set(d.train)) == 5 for d in draws)


def test_a_redrawn_split_has_another_test_set_in_each_resample():
    draws = [draw("t", scans(30), 8, 22, r, 1, split="redrawn") for r in range(1, 6)]
    assert len({d.test for d in draws}) == 5


def test_a_draw_depends_only_on_seed_target_size_and_resample():
    known = draw("t", scans(20), 5, 4, 2, 1)
    assert known == draw("t", list(reversed(scans(20))), 5, 4, 2, 1)
    others = [draw(*a) for a in [("u", scans(20), 5, 4, 2, 1), ("t", scans(20), 5, 4, 2, 9)]]
    assert all(other != known for other in others)


@pytest.mark.parametrize(("split", "folds"), [("fixed", None), ("redrawn", None), ("cross-validation", 4)])
def test_targets_that_are_drawn_as_one_have_the_same_sets(split, folds):
    test = None if folds else 5

    def drawn(target, as_):
        return splits.draw(target, scans(20), test, 4, 2, 1, split=split, folds=folds, drawn_as=as_)

    assert drawn("t1-flair", "t1") == drawn("t1", None) != drawn("t1-flair", None)


def test_scans_are_drawn_about_equally_often():
    times = dict.fromkeys((f"{i:02d}" for i in range(10)), 0)
    for r in range(600):
        for subject in draw("t", scans(10), ["00", "01"], 2, r, 5).train:
            times[subject] += 1
    assert times["00"] == times["01"] == 0
    assert all(110 < times[f"{i:02d}"] < 190 for i in range(2, 10))  # 150 expected, standard deviation about 11


@pytest.mark.parametrize(
    ("test", "size", "sentence"),
    [
        (3, 8, "t.sizes asks for 8 training scans, but only 7 are left"),
        (10, 1, "t.test takes 10 of 10"),
        (["xx"], 1, "test names xx"),
    ],
)
def test_too_few_scans_is_one_sentence(test, size, sentence):
    with pytest.raises(UserError, match=sentence):
        draw("t", scans(10), test, size, 1, 1)


def test_the_table_has_the_role_of_each_subject():
    assert splits.Split(("02",), ("01",), ("03",)).table() == "subject\trole\n01\ttest\n02\ttrain\n03\tunused\n"


def trained_on(dataset, **entry):
    """A configuration of one target, whose dataset is b, and one source."""
    source = {"dataset": dataset, "task": "segmentation", **entry}
    return {
        "datasets": {"a": {"layout": "bids"}, "b": {"layout": "bids"}, "maps": {"layout": "synthetic", "scans": "a"}},
        "pretrain": {"sources": {"scratch": {}, "s": source}, "held_out": 1},
        "targets": {"t": {"dataset": "b", "split": "fixed"}},
    }


def check_usable(config, found, drawn):
    """Check a study of these scans and draws, with what its draws leave out."""
    splits.check_usable(config, found, drawn, splits.left_out(config, found, drawn))


def test_test_sets_are_not_pretrained_on_and_targets_have_labels():
    config = trained_on("a")
    cohort = {scan.subject: scan for scan in scans(4)}
    drawn = {("t", 1, 1): splits.Split(("00",), ("01",), ("02", "03"))}
    both = r"targets.t tests on people who are also in datasets.a, on which pretrain.sources.s is trained \(p1\)"
    with pytest.raises(UserError, match=both):
        check_usable(config, {"a": cohort, "b": cohort}, drawn)
    others = {scan.subject: scan for scan in scans(4, [7, 8, 9, 10])}
    check_usable(config, {"a": others, "b": cohort}, drawn)
    unlabelled = cohort | {"03": Scan("b", "03", "p3", Path("a"))}
    with pytest.raises(UserError, match="datasets.b has no labels for 03"):
        check_usable(config, {"a": others, "b": unlabelled}, drawn)
    many = {f"{n:02d}": Scan("b", f"{n:02d}", f"p{n}", Path("a")) for n in range(9)}
    with pytest.raises(UserError, match="no labels for 00, 01, 02, 03, 04 and 4 more; add them, exclude these scans"):
        check_usable(config, {"a": others, "b": many}, drawn)


def test_people_of_any_test_set_are_left_out_of_a_targets_own_scans():
    """Two resamples with a test set each, and a person with two scans, of which one is tested."""
    cohort = {scan.subject: scan for scan in scans(6, [0, 1, 1, 2, 3, 4])}
    tests = [("01",), ("03",)]
    drawn = {("t", 1, k): splits.Split(("00",), test, ()) for k, test in enumerate(tests, start=1)}
    config, found = trained_on("b"), {"b": cohort}
    assert splits.left_out(config, found, drawn) == {"b": ["01", "02", "03"]}
    check_usable(config, found, drawn)


def test_people_that_another_target_tests_on_are_left_out_too():
    own, other = ({scan.subject: scan for scan in scans(3, persons)} for persons in ([0, 1, 2], [5, 1, 6]))
    config = trained_on("b") | {
        "targets": {name: {"dataset": own, "split": "fixed"} for name, own in (("t", "b"), ("u", "c"))}
    }
    drawn = {("t", 1, 1): splits.Split(("01",), ("00",), ()), ("u", 1, 1): splits.Split(("00",), ("01",), ())}
    assert splits.left_out(config, {"b": own, "c": other}, drawn) == {"b": ["00", "01"], "c": ["01"]}


def test_a_source_whose_scans_are_all_tested_on_or_held_out_is_refused_when_the_study_is_planned():
    cohort = {scan.subject: scan for scan in scans(3)}
    drawn = {("t", 1, 1): splits.Split(("00",), ("01", "02"), ())}
    with pytest.raises(UserError) as caught:
        check_usable(trained_on("b"), {"b": cohort}, drawn)
    assert str(caught.value) == (
        "pretrain.sources.s: outside the test sets are 1 of 3 scans of datasets.b, and pretrain.held_out takes 1; "
        "lower it, test on fewer scans, or name another dataset."
    )


def test_a_source_on_manual_labels_needs_them():
    cohort = {scan.subject: scan for scan in scans(4, [7, 8, 9, 10])}
    bare = {subject: Scan("a", subject, f"q{subject}", Path("a")) for subject in cohort}
    drawn = {("t", 1, 1): splits.Split(("00",), ("01",), ("02", "03"))}
    check_usable(trained_on("a"), {"a": bare, "b": cohort}, drawn)
    with pytest.raises(UserError, match="datasets.a has no labels for 00, 01, 02, 03"):
        check_usable(trained_on("a", labels="target"), {"a": bare, "b": cohort}, drawn)


def test_label_maps_are_made_of_scans_with_labels_that_no_target_tests_on():
    cohort = {scan.subject: scan for scan in scans(4)}
    others = {scan.subject: scan for scan in scans(4, [7, 8, 9, 10])}
    bare = {subject: Scan("a", subject, f"q{subject}", Path("a")) for subject in others}
    drawn = {("t", 1, 1): splits.Split(("00",), ("01",), ("02", "03"))}
    check_usable(trained_on("maps"), {"a": others, "b": cohort}, drawn)
    with pytest.raises(UserError, match="datasets.a has no labels for 00, 01, 02, 03; add them"):
        check_usable(trained_on("maps"), {"a": bare, "b": cohort}, drawn)
    with pytest.raises(UserError, match="people who are also in datasets.a, on which pretrain.sources.s is trained"):
        check_usable(trained_on("maps"), {"a": cohort, "b": cohort}, drawn)


def tuned(cohort, test, sizes=(2,), draws=2, split="fixed"):
    """The draws on which rates are tried for a target with three resamples of each size."""
    drawn = [draw("t", cohort, test, size, resample, 1, split) for size in sizes for resample in (1, 2, 3)]
    return splits.draw_tuning("t", cohort, drawn, sizes, draws, 1), set(drawn[0].test)


@given(st.integers(4, 16), st.integers(1, 3), st.data())
def test_learning_rates_are_tried_on_people_of_no_test_set(people, test, data):
    persons = data.draw(st.lists(st.integers(0, people - 1), min_size=people, max_size=people))
    cohort = scans(people, persons)
    of = {scan.subject: scan.person for scan in cohort}
    try:
        draws, tests = tuned(cohort, test, sizes=(1,))
    except UserError:
        return
    tested = {of[subject] for subject in tests}
    for drawn in draws:
        assert drawn.train
        assert drawn.test
        assert not {of[subject] for subject in drawn.train} & {of[subject] for subject in drawn.test}
        assert not {of[subject] for subject in drawn.train + drawn.test} & tested


def test_targets_that_are_drawn_as_one_try_learning_rates_on_the_same_scans():
    cohort, sizes = scans(12), (2,)
    drawn = [draw("a", cohort, 4, 2, resample, 1) for resample in (1, 2)]
    one, other, alone = (
        splits.draw_tuning(name, cohort, drawn, sizes, 2, 1, drawn_as=drawn_as)
        for name, drawn_as in (("a", None), ("b", "a"), ("b", None))
    )
    assert one == other != alone


def test_learning_rates_are_tried_on_training_sets_of_the_middle_size_and_up_to_four_others():
    draws, _ = tuned(scans(20), 8, sizes=(1, 3, 9))
    assert [len(drawn.train) for drawn in draws] == [3, 3]
    assert [len(drawn.test) for drawn in draws] == [4, 4]
    assert draws[0] != draws[1]


def test_of_few_scans_one_is_left_to_validate_on():
    draws, _ = tuned(scans(7), 4, sizes=(3,))
    assert [(len(drawn.train), len(drawn.test)) for drawn in draws] == [(2, 1), (2, 1)]


def test_learning_rates_cannot_be_tried_on_one_person():
    sentence = "on participants of no test set, of which there are 1; give one rate, or test on fewer scans"
    with pytest.raises(UserError, match=rf"{sentence}\.$"):
        tuned(scans(5), 4, sizes=(1,))
    # A fixed test set of three leaves three others.
    with pytest.raises(UserError, match=r"; give one rate, or test on fewer scans, or set targets.t.split to fixed\.$"):
        tuned(scans(6), 3, sizes=(1,), split="redrawn")
    assert tuned(scans(6), 3, sizes=(1,))


def test_the_pool_is_what_training_sets_are_drawn_from():
    """Eight scans of six people, of whom two, with three scans, are tested; of redrawn test sets, all may train."""
    cohort = scans(8, [0, 0, 1, 2, 3, 4, 5, 5])
    drawn = splits.Split(("02",), ("00", "03"), ())
    assert splits.pool_size(cohort, drawn, "fixed") == 5
    assert splits.pool_size(cohort, drawn, "redrawn") == 8


@pytest.mark.parametrize(("training_scans", "pool", "refused"), [("population", 4, True), ("population", 5, False),
                                                                 ("these", 4, False)])  # fmt: skip
def test_sets_of_all_scans_say_nothing_about_others(training_scans, pool, refused):
    config = {"evaluate": {"training_scans": training_scans}, "targets": {"t": {"sizes": [1, 4]}}}
    if not refused:
        splits.check_population(config, {"t": pool})
        return
    with pytest.raises(UserError, match=r"targets.t.sizes: training sets of 4 scans are all .*set evaluate.training"):
        splits.check_population(config, {"t": pool})
