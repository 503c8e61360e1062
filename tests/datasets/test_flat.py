import re
from pathlib import Path

import pytest
import yaml

from headstart.job import UserError

ROOT = Path(__file__).parents[2]

IXI = r"(?P<subject>IXI\d+)-(?P<site>\w+)-\d+-T1\.nii\.gz"


def test_ixi_with_its_table(folder):
    folder.touch("IXI002-Guys-0828-T1.nii.gz", "IXI012-HH-1211-T1.nii.gz", "IXI012-HH-1211-T2.nii.gz")
    folder.touch("._IXI002-Guys-0828-T1.nii.gz")  # a hidden companion, as in archives made on a Mac
    folder.write("IXI.csv", "IXI_ID;SEX;AGE", "2;2;35.8", "12;1;38.78", "7;1;")
    columns = {"file": "IXI.csv", "subject": "IXI_ID", "sex": "SEX", "age": "AGE", "sexes": {"1": "M", "2": "F"}}
    first, second = folder.scans(
        "flat", pattern=IXI.replace("(?P<subject>IXI", "IXI(?P<subject>"), participants=columns
    )
    assert (first.subject, first.site, first.age, first.sex) == ("002", "Guys", 35.8, "F")
    assert (second.subject, second.site, second.age, second.sex) == ("012", "HH", 38.78, "M")
    assert folder.within(first.first) == ["IXI002-Guys-0828-T1.nii.gz"]
    assert first.target == ()


def test_abide_and_adhd200_in_folders(folder):
    folder.touch(*(f"KKI/{subject}/session_{n}/anat_1/mprage.nii.gz" for subject in (1018959, 1019436) for n in (1, 2)))
    pattern = r"(?P<site>\w+)/(?P<subject>\d+)/session_(?P<session>\d)/anat_1/mprage\.nii\.gz"
    found = folder.scans("flat", pattern=pattern)
    assert [scan.subject for scan in found] == ["1018959ses1", "1018959ses2", "1019436ses1", "1019436ses2"]
    assert {scan.person for scan in found} == {"set/1018959", "set/1019436"}
    assert found[0].site == "KKI"


def test_labels_in_a_separate_folder(folder):
    folder.touch("images/p1.nii", "images/p2.nii", "images/p3.nii")
    folder.touch("labels/p1_a.nii", "labels/p1_b.nii", "labels/p2_a.nii", "labels/notes.txt")
    entry = {"pattern": r"images/(?P<subject>p\d)\.nii", "labels": "labels"}
    entry["labels_pattern"] = r"(?P<subject>p\d)_[ab]\.nii"
    found = folder.scans("flat", **entry, masks=True)
    assert [len(scan.target) for scan in found] == [2, 1, 0]
    assert all(scan.masks for scan in found)
    assert folder.within(*found[0].target) == ["labels/p1_a.nii", "labels/p1_b.nii"]
    with pytest.raises(UserError, match=r"p1_a.nii and p1_b.nii both label .*p1.nii; narrow datasets.d.labels_pattern"):
        folder.scans("flat", **entry)


def test_labels_follow_their_session(folder):
    folder.touch("p1_s1.nii", "p1_s2.nii", "p1_s2_seg.nii")
    start = r"(?P<subject>p\d)_s(?P<session>\d)"
    one, two = folder.scans("flat", pattern=rf"{start}\.nii", labels_pattern=rf"{start}_seg\.nii")
    assert one.target == ()
    assert [path.name for path in two.target] == ["p1_s2_seg.nii"]
    assert not two.masks


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({}, "datasets.d has the layout flat but no pattern"),
        ({"pattern": "("}, "datasets.d.pattern is not a regular expression"),
        ({"pattern": "x"}, r"datasets.d.pattern has no group \(\?P<subject>...\)"),
        ({"pattern": "(?P<subject>y)"}, "has nothing like files that match its pattern"),
        ({"pattern": r"(?P<subject>.)\.nii", "labels_pattern": "(?P<subject>y)"}, "matches the labels of no scan"),
        ({"pattern": r"(?P<subject>.)\.nii", "labels": "."}, "datasets.d has labels but no labels_pattern"),
        ({"pattern": r"(?P<subject>.)\..*"}, r"x.nii and .*x.nii.gz are both subject 'x'"),
        ({"pattern": r"(?P<subject>.)\.nii", "participants": {"file": "gone.csv"}}, "gone.csv cannot be read"),
        ({"pattern": r"(?P<subject>.)\.nii", "participants": {"file": "x.xls"}}, "x.xls is neither .tsv nor .csv"),
        (
            {"pattern": r"(?P<subject>.)\.nii", "participants": {"file": "t.csv", "age": "AGE"}},
            "t.csv has no column 'AGE'; its columns are participant_id, age",
        ),
        (
            {"pattern": r"(?P<subject>x)\.nii", "participants": {"file": "t.csv", "subject": "age"}},
            "participants: t.csv has neither age nor sex of any participant, such as 'x'; check its columns",
        ),
        ({"pattern": r"(?P<subject>x)\.nii", "participants": {"file": "twice.csv"}}, r"lists x \(age 3; age 4\) twice"),
        ({"pattern": r"(?P<subject>.)\.nii", "participants": {"file": "latin.csv"}}, "is not UTF-8 text"),
        (
            {"pattern": r"(?P<subject>y)?x\.nii"},
            r"\(\?P<subject>y\)\?x\\.nii matches x.nii without its group 'subject'",
        ),
        ({"pattern": r"(?P<subject>.*)é\.nii"}, "has no letter or digit in its subject; rename it"),
    ],
)
def test_a_mistake_is_one_sentence(folder, entry, sentence):
    folder.touch("x.nii", "x.nii.gz", "x.xls", "é.nii")
    folder.write("t.csv", "participant_id,age", "x,3")
    folder.write("twice.csv", "participant_id,age", "x,3", "x,4")
    (folder.path / "latin.csv").write_bytes("participant_id,age\nMüller,3\n".encode("latin-1"))
    with pytest.raises(UserError, match=sentence) as caught:
        folder.scans("flat", **entry)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "Zoë", "x'y\"$(touch z)", "*", "a;b&c|d", "日本1"])
def test_unusual_names_are_read_like_any_other(folder, name):
    folder.touch(f"{name}/7.nii")
    (scan,) = folder.scans("flat", pattern=r".*/(?P<subject>\d)\.nii")
    assert scan.first == folder.path / name / "7.nii"
    assert scan.subject == "7"


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "{subject}"])
def test_a_name_that_would_break_tables_or_rules_is_refused(folder, name):
    folder.touch(f"{name}/7.nii")
    with pytest.raises(UserError, match="has a brace, or a character that cannot be printed, in its name; rename"):
        folder.scans("flat", pattern=r"(?s:.*)/(?P<subject>\d)\.nii")


def test_links_are_followed_unless_they_are_circular(folder):
    folder.touch("far/1.nii")
    (folder.path / "near").symlink_to("far")
    assert len(folder.scans("flat", pattern=r"near/(?P<subject>\d)\.nii")) == 1
    (folder.path / "far/up").symlink_to("..")
    with pytest.raises(UserError, match="far/up is a link back to .*set, which holds it; remove the link"):
        folder.scans("flat", pattern=r"near/(?P<subject>\d)\.nii")


def test_capitals_in_an_ending_do_not_matter(folder, caplog):
    folder.touch("a.nii.gz", "B.NII.GZ")
    assert [scan.subject for scan in folder.scans("flat", pattern=r"(?P<subject>\w)\.nii\.gz")] == ["B", "a"]
    assert not caplog.text


def test_images_that_are_passed_over_are_named(folder, caplog):
    folder.touch("a.nii.gz", "b.nii", "notes.txt")
    folder.scans("flat", pattern=r"(?P<subject>\w)\.nii\.gz")
    assert "datasets.d: images that match no pattern and are not read: 1 (b.nii);" in caplog.text


def test_the_recipe_for_ixi_reads_its_table_with_two_people_twice(folder, caplog):
    recipe = re.search(r"^    ixi:\n((?:      .*\n)+)", (ROOT / "docs/data.md").read_text(), re.MULTILINE)[1]
    entry = yaml.safe_load(recipe)
    numbers = {"002": "Guys-0828", "012": "HH-1211", "035": "IOP-0873", "116": "Guys-0789", "117": "HH-1212"}
    folder.touch(*(f"IXI{number}-{rest}-T1.nii.gz" for number, rest in numbers.items()))
    folder.write(
        "IXI.csv",
        'IXI_ID,"SEX_ID (1=m, 2=f)",HEIGHT,DOB,AGE',
        "2,2,164,1970-02-21,35.8",
        "12,1,175,1966-08-20,38.78",
        "35,1,180,1950-01-01,",
        "116,2,160,1950-01-01,53.08",
        "116,2,160,1945-01-01,58.07",
        "117,1,170,1960-01-01,40.5",
        "117,2,170,1960-01-01,40.5",
        "500,1,0,,20",
        "500,1,0,,30",
    )
    found = folder.scans(entry.pop("layout"), **(entry | {"folder": folder.path.name}))
    assert [(scan.subject, scan.age, scan.sex, scan.site) for scan in found] == [
        ("002", 35.8, "F", "Guys"),
        ("012", 38.78, "M", "HH"),
        ("035", None, "M", "IOP"),
        ("116", None, None, "Guys"),
        ("117", None, None, "HH"),
    ]
    assert "lists 116 (age 53.08, sex F; age 58.07, sex F), 117 (age 40.5, sex M; age 40.5, sex F) twice" in caplog.text
    assert "500" not in caplog.text  # no scan of 500 is there
