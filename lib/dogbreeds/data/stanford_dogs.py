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

from dogbreeds import downloads, files
from dogbreeds.errors import StudyError

ADDRESS = "http://vision.stanford.edu/aditya86/ImageNetDogs"
# sha256 of each archive; their sizes are 793,579,520, 21,852,160 and 481,280 bytes
ARCHIVES = {
    "images.tar": "a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58",
    "annotation.tar": "662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd",
    "lists.tar": "34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c",
}
LISTS = {"train": "train_list.mat", "test": "test_list.mat"}
REMEDY = "remove the folder stanford_dogs and run dogbreeds data download"


def download(root: Path, mirror: str = ADDRESS, checksums: dict[str, str] | None = None) -> Path:
    """Returns the folder `root/stanford_dogs` with Images, Annotation and the lists, and downloads it if missing.

    Interrupted downloads resume. The folder is atomic: it appears after all three archives have been verified and
    extracted. `checksums` gives the sha256 of each archive of a mirror. Raises StudyError if the network fails, if a
    hash differs, if an archive cannot be extracted (see `extract`), or if photos that are on the lists are missing.
    Archives that fail are removed.
    """
    archives, expected = root / "stanford_dogs.archives", ARCHIVES | (checksums or {})

    def make(unfinished: Path) -> None:
        for name in ARCHIVES:
            downloads.fetch(f"{mirror.rstrip('/')}/{name}", archives / name, "sha256", expected[name])
        try:
            for name in ARCHIVES:
                extract(archives / name, unfinished)
            missing = [name for name in official_splits(unfinished) if not (unfinished / "Images" / name).is_file()]
            if missing:  # tar accepts an archive that ends between two members
                raise StudyError(f"{mirror} lacks {len(missing)} listed photos ({missing[0]!r}): use another mirror")
        finally:
            shutil.rmtree(archives)

    return files.once(root / "stanford_dogs", make)


def read_checksums(file: Path) -> dict[str, str]:
    """Returns the sha256 of each archive from a file in the format of sha256sum; StudyError for another format."""
    try:
        pairs = [line.split(maxsplit=1) for line in file.read_text().splitlines() if line.strip()]
        checksums = {name.removeprefix("*").strip(): digest.lower() for digest, name in pairs}
        if not all(len(bytes.fromhex(digest)) == 32 for digest in checksums.values()):
            raise ValueError
    except (OSError, ValueError) as error:
        raise StudyError(f"{file} is not a list of sha256 sums: run sha256sum *.tar > {file.name}") from error
    return checksums


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
        raise StudyError(f"{archive.name} is damaged ({error}): remove it and download it again") from error


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
