"""Natural images in the folders and archives in which they are distributed."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from headstart.datasets import layouts
from headstart.datasets.natural import FileRange, Picture, draw, indoor_classes, pictures
from headstart.job import UserError, write_table
from headstart.slices import natural

LUMA = (0.299, 0.587, 0.114)
BUILDINGS = ("allensville", "beechwood")
WNIDS = ("n04070727", "n03761084")


def png(value):
    """An image of one colour, or of one label, as the bytes of a PNG file."""
    shape = (6, 8, 3) if isinstance(value, tuple) else (6, 8)
    buffer = io.BytesIO()
    Image.fromarray(np.full(shape, value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def put(folder, files):
    """Write files, given as content by name, to a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def archive(files):
    """The bytes of an archive with ``files``, given as content by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def view(point, domain):
    return f"point_{point}_view_0_domain_{domain}.png"


def entry(layout, **keys):
    return {"layout": layout, "exclude": [], **keys}


def read(drawn, tmp_path, size=4):
    """The table of drawn images, after writing and reading it, and their pixels."""
    write_table(tmp_path / "pictures.tsv", natural.tabulate(drawn))
    table = natural.read_table(tmp_path / "pictures.tsv")
    return table, natural.images(table, size)


def one(path):
    """An image that is one file."""
    return Picture("group", path.stem, FileRange(path, path.name, 0, path.stat().st_size))


FORMS = {
    "folders": ("rgb/taskonomy/{}", "segment_semantic/taskonomy/{}"),
    "old folders": ("{}_rgb/rgb", "{}_segmentsemantic"),
    "folders of buildings": ("{}/rgb", "{}/segment_semantic"),
    "archives": ("rgb__taskonomy__{}.tar", "{}_segment_semantic.tar"),
}


@pytest.mark.parametrize("form", FORMS)
def test_taskonomy_in_each_form(tmp_path, form):
    """Two buildings with two views each, which grey values and labels identify."""
    root = tmp_path / "data"
    for number, building in enumerate(BUILDINGS):
        shots = {view(p, "rgb"): png((50 * number + 10 * p,) * 3) for p in (1, 2)}
        labels = {view(p, "segmentsemantic"): png(2 + 2 * number + p) for p in (1, 2)}
        for place, files in zip(FORMS[form], (shots, labels), strict=True):
            if form == "archives":
                put(root, {place.format(building): archive({f"./rgb/{n}": c for n, c in files.items()})})
            else:
                put(root / place.format(building), files)
    drawn = pictures("rooms", entry("taskonomy", pictures=4), root, seed=1)
    assert {(p.group, p.name) for p in drawn} == {(b, f"point_{p}_view_0") for b in BUILDINGS for p in (1, 2)}
    table, images = read(drawn, tmp_path)
    for picture, image, label in zip(drawn, images, natural.labels(table, 4), strict=True):
        number, point = BUILDINGS.index(picture.group), int(picture.name.split("_")[1])
        np.testing.assert_allclose(image, (50 * number + 10 * point) / 255, atol=1e-6)
        assert (label == 2 + 2 * number + point).all()
        assert image.shape == label.shape == (4, 4)


@pytest.mark.parametrize("form", ["folders", "archives of classes", "one archive"])
def test_imagenet_in_each_form(tmp_path, form):
    root = tmp_path / "ILSVRC 2012"
    classes = {
        wnid: {f"{wnid}_{k}.JPEG": png((20 * number + k,) * 3) for k in range(3)}
        for number, wnid in enumerate((*WNIDS, "n01440764"))
    }
    packed = {f"{wnid}.tar": archive(files) for wnid, files in classes.items()}
    if form == "folders":
        for wnid, files in classes.items():
            put(root / "train" / wnid, files)
    else:
        put(root, packed if form == "archives of classes" else {"ILSVRC2012_img_train.tar": archive(packed)})
    drawn = pictures("things", entry("imagenet", pictures=4, classes=list(WNIDS)), root, seed=3)
    assert sorted(p.group for p in drawn) == sorted(WNIDS * 2)  # as many of each, none of a class not asked for
    for picture, image in zip(drawn, read(drawn, tmp_path)[1], strict=True):
        expected = 20 * WNIDS.index(picture.group) + int(picture.name.split("_")[1])
        np.testing.assert_allclose(image, expected / 255, atol=1e-6)


def test_there_are_100_indoor_classes():
    classes = indoor_classes()
    assert len(classes) == 100
    assert all(classes.values())
    assert classes["n04070727"] == "refrigerator"
    assert classes["n03761084"] == "microwave"


def test_draws_take_groups_in_turn_and_follow_the_seed():
    part = FileRange("file", "name", 0, 1)
    many = [Picture(group, str(k), part) for group, count in (("a", 50), ("b", 3)) for k in range(count)]
    drawn = draw(many, 10, seed=5)
    assert sum(p.group == "b" for p in drawn[:6]) == 3 == sum(p.group == "b" for p in drawn)
    assert drawn == draw(many, 10, seed=5) != draw(many, 10, seed=6)
    assert len(set(drawn)) == 10


def test_pixels_by_hand(tmp_path):
    """Twice as wide as high: the central square is kept; colours are converted to luma."""
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, 2:4], picture[:, 4:6] = (200, 100, 50), (255, 255, 255)
    Image.fromarray(picture).save(tmp_path / "a.png")
    _, images = read([one(tmp_path / "a.png")], tmp_path)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[0, :, :2] * 255, np.dot((200, 100, 50), LUMA), atol=0.6)
    np.testing.assert_allclose(images[0, :, 2:], 1)
    assert read([one(tmp_path / "a.png")], tmp_path, size=2)[1].shape == (1, 2, 2)


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA", "1"])
def test_images_of_every_mode_are_read(tmp_path, mode):
    Image.new("RGB", (9, 9), (255, 255, 255)).convert(mode).save(tmp_path / "a.tif")
    np.testing.assert_allclose(read([one(tmp_path / "a.tif")], tmp_path)[1], 1)


def test_a_mistake_in_taskonomy_is_one_sentence(tmp_path):
    rooms = entry("taskonomy", pictures=1)
    put(tmp_path / "data/rgb/a", {view(1, "rgb"): png((9, 9, 9))[:40]})
    with pytest.raises(UserError, match="holds 1 pictures, not 2; lower pictures"):
        pictures("rooms", {**rooms, "pictures": 2}, tmp_path / "data", seed=1)
    drawn = pictures("rooms", rooms, tmp_path / "data", seed=1)
    with pytest.raises(UserError, match=r"point_1_view_0_domain_rgb.png in .* cannot be read as an image"):
        read(drawn, tmp_path)
    with pytest.raises(UserError, match="point_1_view_0 of a has no segment_semantic; add it, or exclude a"):
        natural.labels(natural.tabulate(drawn), 4)
    put(tmp_path / "data/segment_semantic/a", {view(1, "segmentsemantic"): png(18)})
    with pytest.raises(UserError, match="not a map of labels from 0 to 17"):
        natural.labels(natural.tabulate(pictures("rooms", rooms, tmp_path / "data", seed=1)), 4)
    put(tmp_path / "broken", {"rgb.tar": b"no archive" * 100})
    with pytest.raises(UserError, match="rgb.tar cannot be read as an archive"):
        pictures("rooms", rooms, tmp_path / "broken", seed=1)
    with pytest.raises(UserError, match="datasets.rooms has no pictures; say how many"):
        layouts.natural_folder("rooms", entry("taskonomy", folder=str(tmp_path)), None)


def test_missing_classes_are_named(tmp_path):
    put(tmp_path / "n04070727", {"n04070727_1.JPEG": png((1, 1, 1))})
    with pytest.raises(UserError, match="has no pictures of n03761084; add them, or list others in classes"):
        pictures("things", entry("imagenet", pictures=1, classes=list(WNIDS)), tmp_path, seed=1)


def test_capitals_in_endings_of_natural_images_do_not_matter(tmp_path):
    views = {view(1, "rgb").replace(".png", ".PNG"): png((50,) * 3), view(1, "segment_semantic").upper(): png(3)}
    put(tmp_path / "rooms", {"Allensville_RGB.TAR": archive(views)})
    (room,) = pictures("d", entry("taskonomy", pictures=1), tmp_path / "rooms", 0)
    assert room.group == "Allensville"
    assert room.labels is not None
    put(tmp_path / "things", {f"{WNIDS[0]}.TAR": archive({f"{WNIDS[0]}_1.JPEG": png((9,) * 3)})})
    (thing,) = pictures("d", entry("imagenet", pictures=1, classes=[WNIDS[0]]), tmp_path / "things", 0)
    assert thing.group == WNIDS[0]
