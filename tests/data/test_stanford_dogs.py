"""Stanford Dogs from a server that drops connections: the archives are checked, extracted and read, or refused."""

import io
import subprocess
import tarfile

import numpy as np
import pytest
from loopback import Handler, serving
from PIL import Image
from scipy.io import savemat

from dogbreeds import files, paths
from dogbreeds.cli import main
from dogbreeds.data import datasets, pixel_cache, stanford_dogs
from dogbreeds.errors import StudyError

MINIATURE = paths.REPOSITORY.parent / "shared" / "photos" / "stanford_dogs_mini"
BREEDS = ("n02085620-Chihuahua", "n02110958-pug")
ANNOTATION = (
    "<annotation><size><width>50</width><height>40</height></size>"
    "<object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"
    "<object><bndbox><xmin>10</xmin><ymin>5</ymin><xmax>40</xmax><ymax>35</ymax></bndbox></object></annotation>"
)


def add(archive, name, content=b"", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(content))


def photo(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def served(mirror):
    """The three archives in the official layout: two breeds of 20 photos, 14 of each on the training list."""
    folder = mirror
    names = [f"{breed}/{breed[:9]}_{number}.jpg" for breed in BREEDS for number in range(20)]
    with tarfile.open(folder / "images.tar", "w") as images, tarfile.open(folder / "annotation.tar", "w") as boxes:
        for number, name in enumerate(names):
            add(images, f"Images/{name}", photo(number))
            add(boxes, f"Annotation/{name.removesuffix('.jpg')}", ANNOTATION.encode())
    with tarfile.open(folder / "lists.tar", "w") as lists:
        for split, wanted in (("train", range(14)), ("test", range(14, 20))):
            chosen = [name for name in names if int(name.split("_")[-1].removesuffix(".jpg")) in wanted]
            buffer = io.BytesIO()
            savemat(buffer, {"file_list": np.array([[name] for name in chosen], dtype=object)})
            add(lists, f"{split}_list.mat", buffer.getvalue())
    return folder


def remaining_files():
    return sorted(path.name for path in paths.data().glob("stanford*/**/*") if path.is_file())


def listed(folder, checksums):
    """Adds the archives in a folder to the list of checksums."""
    for archive in stanford_dogs.ARCHIVES:
        checksums(folder / archive.name)


def test_download_resumes_and_is_verified_extracted_and_read(served, checksums, capsys):
    listed(served, checksums)
    Handler.drops = 2
    assert main(["data", "download"]) == 0
    assert len([requested for requested in Handler.ranges if requested]) == 2
    folder = stanford_dogs.location()
    assert capsys.readouterr().out.strip().endswith("stanford_dogs")
    assert not list(paths.data().glob("stanford_dogs.*[!k]"))  # only the lock
    sums = (folder / "SHA256SUMS").read_text()
    assert sums.splitlines()[0] == f"{files.digest(served / 'images.tar')}  images.tar"
    assert sums.count("\n") == 3
    dataset = datasets.load(folder)
    assert dataset.name == "stanford_dogs"
    assert dataset.breeds == ("Chihuahua", "pug")
    assert dataset.photos["split"].value_counts().to_dict() == {"train": 25, "test": 12, "validation": 3}
    test = dataset.photos[dataset.photos["split"] == "test"]
    assert {int(path.stem.split("_")[1]) for path in test["path"]} == set(range(14, 20))
    assert dataset.photos[["left", "top", "right", "bottom"]].iloc[0].tolist() == [10, 5, 40, 35]
    cropped = pixel_cache.load(dataset, 16, "box")[0]
    whole = Image.open(dataset.photos["path"][0]).convert("RGB")
    expected = whole.crop((10, 5, 40, 35)).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(cropped, np.asarray(expected))


def flipped(folder):
    content = bytearray((folder / "images.tar").read_bytes())
    content[5000] ^= 1
    (folder / "images.tar").write_bytes(content)


def truncated(folder):
    content = (folder / "images.tar").read_bytes()
    (folder / "images.tar").write_bytes(content[:-2000])


@pytest.mark.parametrize("damage", [flipped, truncated])
def test_archive_with_a_wrong_checksum_is_refused(served, checksums, damage):
    listed(served, checksums)
    damage(served)
    with pytest.raises(StudyError, match=r"images\.tar is not the expected file"):
        stanford_dogs.download()
    assert remaining_files() == []


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../outside.jpg", {}),
        ("/tmp/dogbreeds_outside.jpg", {}),
        ("Images/../../outside.jpg", {}),
        ("Images/link.jpg", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("Images/link.jpg", {"type": tarfile.LNKTYPE, "linkname": "Images/n02110958-pug/n02110958_1.jpg"}),
        ("Images/device", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("Images/pipe", {"type": tarfile.FIFOTYPE}),
    ],
)
def test_unsafe_archive_member_is_refused(served, checksums, tmp_path, name, fields):
    with tarfile.open(served / "images.tar", "a") as archive:
        add(archive, name, **fields)
    listed(served, checksums)
    with pytest.raises(StudyError, match="is not a regular file inside the folder"):
        stanford_dogs.download()
    assert remaining_files() == []
    assert not (tmp_path / "outside.jpg").exists()


def test_truncated_archive_is_refused(served, checksums):
    """The checksum is correct, but the archive of the mirror is itself damaged."""
    truncated(served)
    with tarfile.open(served / "images.tar", "r:") as archive:
        end = max(member.offset_data for member in archive)
    (served / "images.tar").write_bytes((served / "images.tar").read_bytes()[: end + 10])
    listed(served, checksums)
    with pytest.raises(StudyError, match=r"images\.tar is damaged"):
        stanford_dogs.download()
    assert remaining_files() == []


def test_archive_without_a_listed_photo_is_refused(served, checksums):
    """The archive ends between two members, which tar accepts as the end."""
    with tarfile.open(served / "images.tar", "r:") as archive:
        last = max(member.offset for member in archive)
    (served / "images.tar").write_bytes((served / "images.tar").read_bytes()[:last])
    listed(served, checksums)
    with pytest.raises(StudyError, match=r"lacks 1 listed photos \('n02110958-pug"):
        stanford_dogs.download()
    assert remaining_files() == []


def test_unlisted_photo_is_named_in_the_error(extracted):
    (extracted / "Images" / BREEDS[0] / "new.jpg").write_bytes(photo(99))
    with pytest.raises(StudyError, match=r"no split for '.*new\.jpg' in the official lists: add it"):
        datasets.load(extracted)


@pytest.mark.parametrize("content", [b"", b"x", b"not a list of photos " * 10])
def test_damaged_list_is_named_in_the_error(extracted, content):
    (extracted / "train_list.mat").write_bytes(content)
    with pytest.raises(StudyError, match=r"train_list\.mat is not an official list"):
        datasets.load(extracted)


@pytest.fixture
def extracted(served, tmp_path):
    for archive in stanford_dogs.ARCHIVES:
        stanford_dogs.extract(served / archive.name, tmp_path / "here")
    return tmp_path / "here"


def test_the_fingerprint_changes_with_a_box(extracted):
    before = datasets.load(extracted).fingerprint
    assert datasets.load(extracted).fingerprint == before
    annotation = next((extracted / "Annotation" / BREEDS[0]).iterdir())
    annotation.write_text(ANNOTATION.replace("<xmax>40<", "<xmax>41<"))
    assert datasets.load(extracted).fingerprint != before


def test_training_photo_that_duplicates_a_test_photo_is_left_out(extracted):
    """The official test split does not change, even if the training list contains a test photo."""
    before = datasets.load(extracted).photos
    train, test = (before.loc[before["split"] == split, "path"].iloc[0] for split in ("train", "test"))
    train.write_bytes(test.read_bytes())
    dataset = datasets.load(extracted)
    assert list(dataset.left_out) == [f"{train.parent.name}/{train.name}"]
    kept = dataset.photos
    assert set(kept["path"]) == set(before["path"]) - {train}
    assert kept.loc[kept["split"] == "test", "path"].tolist() == before.loc[before["split"] == "test", "path"].tolist()


def test_small_dataset_has_a_validation_photo_of_each_breed(extracted):
    photos = datasets.load(extracted, photos_per_breed=10).photos
    assert set(photos.loc[photos["split"] == "validation", "breed"]) == {"Chihuahua", "pug"}


def test_a_breed_with_one_training_photo_is_refused(extracted):
    """Its other photos are on the test list, so that the breed has enough photos in total."""
    for breed in BREEDS:
        for number in range(1, 14):
            (extracted / "Images" / breed / f"{breed[:9]}_{number}.jpg").unlink()
    with pytest.raises(StudyError, match=r"each breed needs at least 8 photos"):
        datasets.load(extracted)
    lists = [[f"{breed}/{breed[:9]}_{number}.jpg"] for breed in BREEDS for number in range(14, 21)]
    savemat(extracted / "test_list.mat", {"file_list": np.array(lists, dtype=object)})
    for breed in BREEDS:
        (extracted / "Images" / breed / f"{breed[:9]}_20.jpg").write_bytes(photo(20))
        (extracted / "Annotation" / breed / f"{breed[:9]}_20").write_text(ANNOTATION)
    with pytest.raises(StudyError, match="too few training photos to take a validation split from"):
        datasets.load(extracted)


@pytest.mark.skipif(not MINIATURE.is_dir(), reason=f"{MINIATURE} is missing")
def test_miniature_archives_are_downloaded_and_read(checksums, monkeypatch):
    """Photographs in their original sizes and with their boxes, as in the official archives."""
    listed(MINIATURE, checksums)
    with serving(MINIATURE) as address:
        monkeypatch.setenv("DOGBREEDS_MIRROR", address)
        Handler.drops = 1
        folder = stanford_dogs.download()
    dataset = datasets.load(folder)
    assert len(dataset.breeds) == 4
    assert dataset.photos["split"].value_counts().to_dict() == {"train": 90, "test": 60, "validation": 10}
    assert (dataset.photos["width"] == dataset.photos["frame_width"]).mean() > 0.9
    assert pixel_cache.load(dataset, 32, "box").shape == (160, 32, 32, 3)
    counted = subprocess.run(["tar", "-tf", MINIATURE / "images.tar"], capture_output=True, text=True).stdout
    assert counted.count(".jpg") == len(dataset.photos)
