"""Downloads, verifies and extracts Stanford Dogs, and reads its official lists and bounding boxes.

Khosla, Jayadevaprakash, Yao and Fei-Fei, Novel Dataset for Fine-Grained Image Categorization, FGVC workshop, 2011.
20,580 photos of 120 breeds from ImageNet; for non-commercial research.
"""

import shutil
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from tqdm.auto import tqdm

from dogbreeds import files, paths
from dogbreeds.downloads import Published, fetch
from dogbreeds.errors import StudyError
from dogbreeds.files import digest

_PUBLISHER, _PLACE = "http://vision.stanford.edu/aditya86/ImageNetDogs", "stanford_dogs.archives"
_KNOWN_FROM = "TensorFlow Datasets, url_checksums/stanford_dogs.txt"  # Stanford publishes no hashes
ARCHIVES = tuple(
    Published(_PUBLISHER, name, "sha256", digest, size, _PLACE, _KNOWN_FROM)
    for name, digest, size in (
        ("images.tar", "a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58", 793_579_520),
        ("annotation.tar", "662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd", 21_852_160),
        ("lists.tar", "34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c", 481_280),
    )
)
CHECKSUMS = "SHA256SUMS"
LISTS = {"train": "train_list.mat", "test": "test_list.mat"}
REMEDY = "remove the folder stanford_dogs and run dogbreeds data download"


def location() -> Path:
    """Returns the folder with Images, Annotation and the lists, which `download` makes."""
    return paths.data() / "stanford_dogs"


def download() -> Path:
    """Returns `location()`, and downloads its archives and extracts them if it is missing.

    Interrupted downloads resume. The folder is atomic: it appears after all three archives have been verified and
    extracted. It lists their checksums in SHA256SUMS. Raises StudyError if the network fails, if a hash differs, if an
    archive cannot be extracted (see `extract`), or if photos that are on the lists are missing. Archives that cannot be
    extracted are removed; those of an interrupted extraction stay.
    """

    def make(unfinished: Path) -> None:
        archives = [fetch(archive) for archive in ARCHIVES]
        try:
            for archive in archives:
                extract(archive, unfinished)
            missing = [name for name in official_splits(unfinished) if not (unfinished / "Images" / name).is_file()]
            if missing:  # tar accepts an archive that ends between two members
                remedy = "use another mirror"
                raise StudyError(f"{ARCHIVES[0].url} lacks {len(missing)} listed photos ({missing[0]!r}): {remedy}")
            sums = "".join(f"{digest(archive)}  {archive.name}\n" for archive in archives)
            (unfinished / CHECKSUMS).write_text(sums)
        except StudyError:
            shutil.rmtree(archives[0].parent)
            raise
        shutil.rmtree(archives[0].parent)

    return files.once(location(), make)


def extract(archive: Path, folder: Path) -> None:
    """Extracts the files of an uncompressed tar archive into `folder`.

    Raises StudyError for a damaged archive, and for a member that is a link or a device or is outside the folder.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tqdm(tar, desc=f"extracting {archive.name}", unit="file"):
                inside = not member.name.startswith("/") and ".." not in Path(member.name).parts
                if not inside or not (member.isdir() or (member.isfile() and not member.issparse())):
                    problem = f"{member.name!r} is not a regular file inside the folder"
                    raise StudyError(f"{archive.name} is not extracted: {problem}; use another mirror")
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise StudyError(f"{archive.name} is damaged ({error}): use another mirror") from error


def official_splits(folder: Path) -> dict[str, str]:
    """Returns `train` or `test` for each photo (breed folder/file) on the official lists (12,000 and 8,580 photos)."""
    splits = {}
    for split, name in LISTS.items():
        try:
            listed = loadmat(folder / name)["file_list"]
            splits |= {str(entry[0].item()): split for entry in listed}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, MatReadError) as error:
            raise StudyError(f"{folder / name} is not an official list: {REMEDY}") from error
    return splits


def read_box(annotation: Path) -> dict[str, int]:
    """Returns the largest box (left, top, right, bottom) and the size of its frame in pixels; StudyError if none."""
    try:
        root = ElementTree.parse(annotation).getroot()
        frame = {f"frame_{side}": int(root.findtext(f"size/{side}")) for side in ("width", "height")}
        corners = ("xmin", "ymin", "xmax", "ymax")
        boxes = [[int(box.findtext(corner)) for corner in corners] for box in root.iterfind("object/bndbox")]
        largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    except (OSError, ElementTree.ParseError, TypeError, ValueError) as error:
        raise StudyError(f"{annotation} is not an annotation with a box: {REMEDY}") from error
    return dict(zip(("left", "top", "right", "bottom"), largest, strict=True)) | frame


def boxes(folder: Path, photos: list[Path]) -> pd.DataFrame:
    """Returns one row per photo: left, top, right, bottom, frame_width and frame_height, in pixels."""
    annotations = [folder / "Annotation" / photo.parent.name / photo.stem for photo in photos]
    return pd.DataFrame([read_box(annotation) for annotation in annotations])
