"""`check` reports each kind of irregularity in a photo, and only harmful findings give exit status 1."""

import numpy as np
import pandas as pd
import pytest
from scenes import folder_of_scenes, scene

from dogbreeds.cli import main
from dogbreeds.data import audit, datasets, shortcuts


@pytest.fixture
def folder(tmp_path):
    folder = folder_of_scenes(tmp_path / "dogs", ("corgi", "pug"))
    rows = [f"{breed}/{n:02d}.png,{split_of(n)}\n" for breed in ("corgi", "pug") for n in range(12)]
    (folder / "splits.csv").write_text("path,split\n" + "".join(rows))
    return folder


def split_of(number):
    return "train" if number < 6 else "validation" if number < 9 else "test"


def findings(folder):
    table = audit.check(datasets.load(folder, leave_out_broken=True))
    return {(row.photo, row.finding): (row.detail, row.harmful) for row in table.itertuples()}


def test_ordinary_photos_pass(folder, capsys):
    assert findings(folder) == {}
    assert main(["data", "check", "--photos", str(folder)]) == 0
    assert capsys.readouterr().out == "24 photos of 2 breeds: 0 findings, 0 harmful\n"


def test_unusual_formats_are_reported_as_harmless(folder):
    pug = folder / "pug"
    scene(1).convert("L").save(pug / "00.png")
    scene(2).convert("P").save(pug / "01.png")
    scene(3).convert("CMYK").save(pug / "02.png", "JPEG")
    rotated = scene(4).getexif()
    rotated[0x0112] = 6
    scene(4).save(pug / "03.png", "JPEG", exif=rotated)
    scene(5).save(pug / "04.png", "GIF", save_all=True, append_images=[scene(6)])
    found = findings(folder)
    assert found["pug/00.png", "not RGB"] == ("grey, converted", False)
    assert found["pug/01.png", "not RGB"] == ("palette, converted", False)
    assert found["pug/02.png", "not RGB"] == ("CMYK, converted", False)
    assert found["pug/02.png", "name of another format"] == ("is JPEG", False)
    assert found["pug/03.png", "rotated by EXIF"] == ("turned upright", False)
    assert found["pug/04.png", "animated"] == ("first of 2 frames", False)
    size = datasets.load(folder).photos.set_index("path").loc[pug / "03.png", ["width", "height"]]
    assert size.tolist() == [50, 60]


def test_harmful_findings_give_exit_status_1(folder, capsys):
    pug, corgi = folder / "pug", folder / "corgi"
    (pug / "00.png").write_bytes((pug / "00.png").read_bytes()[:300])
    (pug / "01.png").write_bytes(b"")
    scene(7, (20, 60)).save(pug / "02.png")
    (pug / "10.png").write_bytes((pug / "03.png").read_bytes())  # the same photo in training and test
    scene(104).resize((90, 75)).save(corgi / "11.png")  # an enlarged copy of pug/04, as a corgi
    (pug / "05.png").write_bytes((pug / "06.png").read_bytes())
    found = findings(folder)
    assert found["pug/00.png", "left out"] == found["pug/01.png", "left out"] == ("cannot be read", True)
    assert found["pug/02.png", "tiny"] == ("20 x 60 pixels", True)
    for leaking in ("pug/03.png", "pug/04.png", "pug/05.png"):
        assert found[leaking, "left out"] == ("near-duplicate of a photo in a later split", True)
    capsys.readouterr()
    with pytest.raises(SystemExit, match="1"):
        main(["data", "check", "--photos", str(folder)])
    captured = capsys.readouterr()
    assert "19 photos of 2 breeds: 6 findings, 6 harmful" in captured.out
    assert captured.err.count("dogbreeds: left out:") == 3


def test_near_duplicate_in_another_breed_is_harmful(folder):
    scene(4).resize((90, 75)).save(folder / "pug" / "03.png")
    assert findings(folder) == {("corgi/04.png", "near-duplicate"): ("pug/03.png (train, train)", True)}


def test_duplicate_within_a_split_is_harmless(folder):
    (folder / "pug" / "01.png").write_bytes((folder / "pug" / "00.png").read_bytes())
    assert findings(folder) == {("pug/00.png", "same bytes"): ("pug/01.png (train, train)", False)}


def test_describe_counts_by_breed_and_split(folder, capsys):
    assert main(["data", "describe", "--photos", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "24 photographs of 2 breeds: 12 train, 6 validation, 6 test" in out
    table = audit.describe(datasets.load(folder))
    assert table.loc["pug"].tolist() == [6, 3, 3, 60, 50, 1.2]


def test_breeds_with_the_same_outline_are_similar():
    """Images of two breeds show the same square; images of the third show a different rectangle."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 80, (90, 24, 24, 3)).astype(np.uint8)
    pixels[:60, 6:18, 6:18] += 150
    pixels[60:, :6] += 150
    breeds = ("corgi", "pug", "whippet")
    photos = pd.DataFrame({"breed": np.repeat(breeds, 30), "split": "train"})
    table = shortcuts.similar_breeds(datasets.Dataset("squares", photos, breeds, "0"), pixels)
    assert table.loc[0, ["breed", "other"]].tolist() == ["corgi", "pug"]
    assert table.loc[0, "confused"] > 0.3
    assert table.loc[1, "confused"] < 0.05
    means = shortcuts.brightness_and_colour(datasets.Dataset("squares", photos, breeds, "0"), pixels)
    assert means.loc["whippet", "brightness"] == pytest.approx(pixels[60:].mean())


def test_box_summary_with_and_without_boxes():
    frame = {"left": 0, "top": 0, "right": [50, 100], "bottom": 50, "frame_width": 100, "frame_height": 100}
    boxed = datasets.Dataset("stanford_dogs", pd.DataFrame(frame), ("pug",), "0")
    assert audit.box_share(boxed).tolist() == [0.25, 0.5]
    assert audit.box_summary(boxed).startswith("The median box covers 38% of the frame")
    plain = datasets.Dataset("dogs", pd.DataFrame({"width": [1]}), ("pug",), "0")
    assert audit.box_summary(plain) == "These photographs have no bounding boxes."
