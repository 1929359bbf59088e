"""From one format to another: opened, described, written whole under a temporary name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from byhand.checkpoints import huggingface, meta
from byhand.checkpoints.description import Checkpoint
from byhand.checkpoints.gguf_model import open_gguf, write_gguf_model
from byhand.checkpoints.numbers import DTYPES, dtype_named
from byhand.checkpoints.writing import Plan, plan
from byhand.errors import ByhandError, InputError, nearest
from byhand.storage import atomic, naming

FORMATS = ("pth", "safetensors", "gguf")
SUFFIX = ".gguf"
FOLDER_WRITERS: dict[str, Callable[[Checkpoint, Path, Plan], None]] = {
    "pth": meta.write_meta,
    "safetensors": huggingface.write_folder,
}
BESIDE = 256  # bytes for each word, in tokenizer and settings: Gemma's have 150


def open(path: str | Path) -> Checkpoint:
    """The model in a .gguf file, in Hugging Face's folder or in Meta's.

    Nothing in the files is executed, and no tensor is read before it is asked for.

    Raises      InputError where there is no model, it is not whole, or its family is not supported
    """
    path = Path(path)
    form = format_of(path)
    if form == "gguf":
        return open_gguf(path)
    folder = path if path.is_dir() else path.parent
    return meta.open_meta(folder) if form == "pth" else huggingface.open_folder(folder)


def format_of(path: Path) -> str:
    """pth, safetensors or gguf, by what is there.

    Raises      InputError where it is none of them
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a .gguf file or a folder with a model")
    if path.is_file():
        if path.suffix == ".pth":
            return "pth"
        return "safetensors" if path.suffix == ".safetensors" else "gguf"
    if any(meta.NUMBERED.fullmatch(inside.name) for inside in path.iterdir()):
        return "pth"
    if (path / huggingface.CONFIG).is_file():
        return "safetensors"
    if (path / huggingface.ADAPTER).is_file():
        raise InputError(
            f"{path} is an adapter, and no model by itself; byhand weights merge BASE {path} "
            "TO_PATH makes one of it and its base"
        )
    found = sorted(path.glob(f"*{SUFFIX}"))
    if found:
        raise InputError(f"{path} is a folder with {found[0].name}; name that file")
    raise InputError(
        f"{path} holds no model: expected {huggingface.CONFIG} with safetensors, or {meta.FIRST} "
        f"with {meta.PARAMS}"
    )


def convert(
    source: str | Path,
    destination: str | Path,
    to: str | None = None,
    dtype: str | None = None,
) -> Checkpoint:
    """Write the model in another format, and give it as it was written.

    destination a .gguf file, or a folder that does not exist or is empty
    to          pth, safetensors or gguf; otherwise by its ending: gguf, or safetensors
    dtype       f32, f16 or bf16 for all matrices; otherwise as they are, and blocks of few bits as
                bf16

    Raises      InputError for models, formats and types that do not go together; ByhandError where
                the disk has no room
    """
    # What is wrong with the wish is said before the model is read.
    destination = Path(destination)
    to = _target(destination, to)
    wanted = None if dtype is None else dtype_named(dtype)
    return _written(open(source), destination, to, wanted)


def write(
    checkpoint: Checkpoint,
    destination: str | Path,
    to: str | None = None,
    dtype: str | None = None,
) -> Checkpoint:
    """Write a model that is open, as `convert` does."""
    destination = Path(destination)
    to = _target(destination, to)
    return _written(checkpoint, destination, to, None if dtype is None else dtype_named(dtype))


def _written(checkpoint: Checkpoint, destination: Path, to: str, dtype: str | None) -> Checkpoint:
    planned = plan(checkpoint, dtype)
    widths = {name: DTYPES[kind]().itemsize for name, kind in planned.dtypes.items()}
    nbytes = sum(t.size * widths[name] for name, t in checkpoint.tensors.items())
    check_room(destination, nbytes + beside(checkpoint))
    if to == "gguf":
        with atomic(destination) as temporary:
            write_gguf_model(checkpoint, temporary, planned)
    else:
        _write_whole(checkpoint, destination, planned, FOLDER_WRITERS[to])
    return open(destination)


def _target(destination: Path, to: str | None) -> str:
    is_file = destination.suffix == SUFFIX
    if to is None:
        to = "gguf" if is_file else "safetensors"
    if to not in FORMATS:
        raise InputError(
            f"cannot convert to {to!r}; {nearest(to, FORMATS, 'there is ' + ', '.join(FORMATS))}"
        )
    if (to == "gguf") != is_file:
        kind = f"a file that ends in {SUFFIX}" if to == "gguf" else "a folder"
        raise InputError(f"{to} is written as {kind}, and the destination is {destination}")
    check_new(destination)
    return to


def check_new(destination: Path) -> None:
    """Refuse to write over anything.

    Raises      InputError where there is something else than an empty folder
    """
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"{destination} exists already; choose another name or remove it")


def beside(checkpoint: Checkpoint) -> int:
    """Bytes that a model takes beside its tensors, at most."""
    return BESIDE * int(checkpoint.config["vocab_size"])


def check_room(destination: Path, needed: int) -> None:
    """Refuse what the disk has no room for, before anything is written.

    needed      bytes

    Raises      ByhandError with what is needed and what is free
    """
    folder = destination.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ByhandError(
            f"{destination} needs {readable(needed)} and {readable(free)} are free there; nothing "
            "was written: make room or choose another disk"
        )


def readable(nbytes: int) -> str:
    """As in 96.6 MB."""
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:.1f} MB"


def _write_whole(
    checkpoint: Checkpoint,
    destination: Path,
    planned: Plan,
    write: Callable[[Checkpoint, Path, Plan], None],
) -> None:
    """A folder appears with all its files, or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(
        tempfile.mkdtemp(prefix=f".{destination.name}.", suffix=".part", dir=destination.parent)
    )
    try:
        with naming(destination):
            write(checkpoint, temporary, planned)
            for path in temporary.iterdir():
                _flush(path)
        temporary.chmod(0o777 & ~_umask())
        if destination.is_dir():
            destination.rmdir()  # only an empty one goes
        temporary.rename(destination)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
