"""The sentences and the page."""

from finished_studies import MEANS, SETTINGS, save_study

from headstart.compare import page
from headstart.compare.files import FILES

AHEAD = {1: 0.5, 2: 0.6, 4: 0.68}


def test_a_better_study_and_the_scans_with_which_it_equals_the_other(tmp_path, compared):
    save_study(tmp_path, "unet", {"scratch": AHEAD})
    save_study(tmp_path, "paper-net", {"scratch": MEANS}, seed=2)
    # The order of the names does not change who is said to be better.
    for names in (["unet", "paper-net"], ["paper-net", "unet"]):
        ((heading, said),) = compared(names).said.items()
        assert heading == f"scratch: {names[0]} and {names[1]}"
        first, *equal = said
        assert first.startswith("unet is significantly better than paper-net: +0.0")
        assert "averaged over 1, 2 and 4 labelled scans (adjusted p < 0.0001)" in first
        assert "trained on 1 labelled scan it saves 1 labelled scan" in first
        assert [sentence.partition(":")[0] for sentence in equal] == [
            "scratch of unet with 1 labelled scan equals scratch of paper-net with 2",
            "scratch of unet with 2 labelled scans equals scratch of paper-net with 4",
        ]
        assert all("within ±0.02" in sentence for sentence in equal)


def test_equal_studies_are_called_equivalent(tmp_path, compared):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", seed=2)
    ((_, said),) = compared(["one", "two"]).said.items()
    assert len(said) == 1
    assert "are equivalent (95 % CI within ±0.02)" in said[0]


def test_a_margin_below_the_interval_leaves_them_undecided(tmp_path, compared):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", seed=2)
    ((_, said),) = compared(["one", "two"], margin=1e-4).said.items()
    assert said[0].startswith("Undecided between ")
    assert "would have been found with a probability of 80 %" in said[0]


def test_of_what_is_better_with_fewer_scans_the_strongest_is_said(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": {1: 0.8, 2: 0.85, 4: 0.9}})
    save_study(tmp_path, "two", seed=2)
    ((_, said),) = compared(["one", "two"]).said.items()
    assert len(said) == 2
    assert said[1].startswith("scratch of one with 1 labelled scan is significantly better than scratch of two with 4:")


def test_several_sources_are_summed_up_first(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": AHEAD, "heads": MEANS, "own": MEANS})
    save_study(tmp_path, "two", {"scratch": MEANS, "heads": MEANS}, seed=2)
    answer = compared(["one", "two"])
    summed_up = "one is significantly better than two with scratch; one and two are equivalent with heads."
    assert answer.overview == [summed_up]
    assert page.page([answer]).index(summed_up) < page.page([answer]).index("<h3>scratch: one and two</h3>")


def test_studies_without_a_common_set_size(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": {2: 0.6}})
    save_study(tmp_path, "two", {"scratch": {4: 0.6}}, seed=2)
    ((_, said),) = compared(["one", "two"]).said.items()
    assert said[0] == "No set size is in both studies."
    assert said[1].startswith("scratch of one with 2 labelled scans equals scratch of two with 4: difference ")


def test_a_single_resample_is_said(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": {2: 0.6}})
    save_study(tmp_path, "two", {"scratch": {2: 0.5}}, resamples=1, seed=2)
    ((_, said),) = compared(["one", "two"]).said.items()
    assert said[0].startswith("Nothing is tested, as a study has a single resample: one minus two is +0.")


def test_the_page_holds_sentences_figure_notes_and_settings(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": AHEAD, "heads": MEANS})
    other = {**SETTINGS, "network": {"decoder": "paper"}}
    save_study(tmp_path, "two", {"scratch": MEANS}, seed=2, tested=[f"t{k}" for k in range(9)], settings=other)
    answer = compared(["one", "two"])
    page.write(tmp_path / "out", [answer])
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    text = (tmp_path / "out/index.html").read_text()
    for part in (
        "scratch: one and two",
        "one is significantly better than two",
        "1 of 10 test scans of one is left out, 1 of them because another study is trained on them.",
        "training sets are drawn independently",
        "<td>network.decoder</td>",
        "one: heads",
        "data:image/svg+xml;base64,",
    ):
        assert part in text, part
    page.write(tmp_path / "again", [answer])
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_studies_with_equal_settings_have_no_table_of_them(tmp_path, compared):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", seed=2)
    assert "None: the studies differ in nothing" in page.page([compared(["one", "two"])])


def test_studies_without_a_common_source_are_said_to_have_none(tmp_path, compared):
    save_study(tmp_path, "one", {"heads": MEANS})
    save_study(tmp_path, "two", {"pictures": MEANS}, seed=2)
    answer = compared(["one", "two"])
    assert answer.said == {}
    assert "one and two have no source of the same name" in page.page([answer])


def test_sources_have_a_colour_and_studies_a_marker():
    shown = page.OfStudies({f"{study}: {source}": {"domain": "other", "task": None}
                            for study in ("one", "two") for source in ("scratch", "heads")})  # fmt: skip
    assert shown.style("one: heads").color == shown.style("two: heads").color != shown.style("one: scratch").color
    assert shown.style("one: heads").marker == shown.style("one: scratch").marker != shown.style("two: heads").marker
