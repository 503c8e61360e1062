import itertools

from shown import SHOWN

from headstart.report.sources import Shown

KNOWN = {
    "scratch": {"domain": "baseline", "task": None},
    "rad": {"domain": "other", "task": None},
    "masked": {"domain": "t1", "task": "masked-autoencoding"},
    "heads": {"domain": "synthetic", "task": "segmentation"},
    "ours": {"domain": "t1", "task": "segmentation"},
    "a-class": {"domain": "natural", "task": "classification"},
    "theirs": {"domain": "t1", "task": "segmentation"},
}


def test_sources_are_in_the_order_of_domain_task_and_name_and_the_baseline_is_the_last():
    expected = ["ours", "theirs", "masked", "heads", "a-class", "rad", "scratch"]
    for names in itertools.islice(itertools.permutations(KNOWN), 0, 5040, 500):
        assert Shown(KNOWN).in_order(names) == expected


def test_a_task_that_the_paper_lacks_has_its_own_name():
    assert Shown(KNOWN).task("masked") == "Self-supervised (masked auto-encoding)"
    assert Shown({"own": {"domain": "t1", "task": "inpainting"}}).task("own") == "Inpainting"
    assert Shown(KNOWN).task("rad") == "Weights from a file"


def test_the_papers_sources_keep_their_styles_whatever_else_there_is():
    mixed = Shown({**KNOWN, **SHOWN.known})
    assert [mixed.style(name) for name in SHOWN.known] == [SHOWN.style(name) for name in SHOWN.known]
    assert SHOWN.style("t1-segmentation") == ("#009E73", "X")


def test_forty_sources_have_forty_styles_that_follow_from_their_place():
    names = [f"s{number}" for number in range(40)]
    shown = Shown({name: {"domain": "t1", "task": "segmentation"} for name in [*names, *SHOWN.known]})
    styles = [shown.style(name) for name in shown.known]
    assert len(set(styles)) == 48
    assert shown.style("s1") == Shown({name: shown.known[name] for name in names[:2]}).style("s1")
