"""FLAIR images beside the T1 scans of a folder."""

import shutil


def test_a_flair_image_of_every_scan_is_used(folder, begin, capsys):
    for person in (1, 2, 3):
        folder.bids([person], label="label-lesion_mask")
    t1 = sorted((folder.path).glob("sub-*/anat/*_T1w.nii.gz"))
    for path in t1[1:]:
        shutil.copy(path, path.with_name(path.name.replace("_T1w", "_FLAIR")))
    assert "images" not in begin()["datasets"]["scans"]
    assert "FLAIR" not in capsys.readouterr().out
    shutil.copy(t1[0], t1[0].with_name(t1[0].name.replace("_T1w", "_FLAIR")))
    assert begin(force=True)["datasets"]["scans"]["images"] == ["T1w", "FLAIR"]
    assert "3 T1 scans of 3 people, each with a FLAIR image" in capsys.readouterr().out
    assert begin(force=True, entry="images: [T1w]")["datasets"]["scans"]["images"] == ["T1w"]
