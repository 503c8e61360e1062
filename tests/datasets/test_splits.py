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


def test_test_sets_are_not_pretrained_on_and_targets_have_labels():
    target = {"dataset": "b"}
    config = {"pretrain": {"dataset": "a"}, "targets": {"t": target}}
    cohort = {scan.subject: scan for scan in scans(4)}
    drawn = {("t", 1, 1): splits.Split(("00",), ("01",), ("02", "03"))}
    with pytest.raises(UserError, match=r"targets.t tests on people who are also in pretrain.dataset 'a' \(p1\)"):
        splits.check_usable(config, {"a": cohort, "b": cohort}, drawn)
    others = {scan.subject: scan for scan in scans(4, [7, 8, 9, 10])}
    splits.check_usable(config, {"a": others, "b": cohort}, drawn)
    unlabelled = cohort | {"03": Scan("b", "03", "p3", Path("a"))}
    with pytest.raises(UserError, match="datasets.b has no labels for 03"):
        splits.check_usable(config, {"a": others, "b": unlabelled}, drawn)
    many = {f"{n:02d}": Scan("b", f"{n:02d}", f"p{n}", Path("a")) for n in range(9)}
    with pytest.raises(UserError, match="no labels for 00, 01, 02, 03, 04 and 4 more; add them, exclude these scans"):
        splits.check_usable(config, {"a": others, "b": many}, drawn)


def tuned(cohort, test, sizes=(2,), draws=2):
    """The draws on which rates are tried for a target with three resamples of each size."""
    drawn = [draw("t", cohort, test, size, resample, 1) for size in sizes for resample in (1, 2, 3)]
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


def test_learning_rates_are_tried_on_training_sets_of_the_middle_size_and_up_to_four_others():
    draws, _ = tuned(scans(20), 8, sizes=(1, 3, 9))
    assert [len(drawn.train) for drawn in draws] == [3, 3]
    assert [len(drawn.test) for drawn in draws] == [4, 4]
    assert draws[0] != draws[1]


def test_of_few_scans_one_is_left_to_validate_on():
    draws, _ = tuned(scans(7), 4, sizes=(3,))
    assert [(len(drawn.train), len(drawn.test)) for drawn in draws] == [(2, 1), (2, 1)]


def test_learning_rates_cannot_be_tried_on_one_person():
    with pytest.raises(UserError, match="on participants of no test set, of which there are 1;"):
        tuned(scans(5), 4, sizes=(1,))
