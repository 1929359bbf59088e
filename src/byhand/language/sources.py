"""Where the weights of a MODEL are: a file or folder, an adapter's base, a name, the cache of
converted models."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byhand import checkpoints
from byhand.checkpoints import Checkpoint
from byhand.checkpoints.conversion import format_of
from byhand.checkpoints.tokenizer_files import read_json
from byhand.data import cache_folder, fetch_file
from byhand.data.files import FILES
from byhand.errors import ByhandError, DamagedFileError, InputError
from byhand.language import packed
from byhand.language.packed import SEAL
from byhand.storage import write_text

logger = logging.getLogger(__name__)
DEFAULT = "smollm2"
KNOWN = {DEFAULT: "smollm2-135m-instruct", "gemma3": "gemma-3-270m"}
"""Names of models that byhand fetches as it fetches data."""
ADAPTER = "adapter_config.json"
WANTED = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model", "README.md")
"""The files of a published model that are downloaded."""
HEAD = 2**20
"""Bytes at the beginning of a file that tell it from another, with its size and time."""
NO_EXTRA = "pip install 'byhand[language]'"


@dataclass(frozen=True)
class Source:
    """A model that can be loaded: its checkpoint, and the adapters that change it, the first one
    first.

    kept        its weights of eight bits, where they were asked for and are kept at all
    """

    name: str
    checkpoint: Checkpoint
    adapters: tuple[Path, ...] = ()
    kept: packed.Arrays | None = field(default=None, repr=False)


def find(model: str | Path, kept: bool = False) -> Source:
    """The weights that a person calls so.

    model       a folder of Hugging Face's or Meta's, a .gguf file, an adapter's folder, a name of
                `KNOWN`, or that of a model on the Hugging Face hub, as in org/name
    kept        read its weights of eight bits as well

    Raises      InputError where it is none of these; ByhandError where it cannot be fetched
    """
    path, adapters = Path(model).expanduser(), []
    name = str(model)
    while (path / ADAPTER).is_file():
        adapters.append(path)
        if len(adapters) > 8:
            raise InputError(f"{model}: adapters upon adapters, and no model below eight of them")
        base = _base(path)
        # The path of a base is as its author wrote it: from here, or from beside the adapter.
        beside = path.parent / base
        path, name = (beside if beside.exists() else Path(base).expanduser()), base
    where = path if path.exists() else _fetched(name)
    checkpoint = _opened(where)
    arrays = packed.read(checkpoint) if kept and not adapters else None
    return Source(str(model), checkpoint, tuple(reversed(adapters)), arrays)


def located(model: str | Path) -> Path:
    """The files themselves of a model that is no adapter, as they were published.

    Raises      as `find`
    """
    path = Path(model).expanduser()
    return path if path.exists() else _fetched(str(model))


def _base(adapter: Path) -> str:
    base = read_json(adapter / ADAPTER).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise InputError(f"{adapter / ADAPTER} names no base_model_name_or_path; add it")
    return base


def _fetched(name: str) -> Path:
    if name in KNOWN or name in FILES:
        return fetch_file(KNOWN.get(name, name))
    parts = name.split("/")
    is_file = parts[-1].lower().endswith((".gguf", ".safetensors", ".pth"))
    if len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~") or is_file:
        raise InputError(
            f"{name} does not exist; expected a folder with a model, a .gguf file, a name on the "
            f"Hugging Face hub (org/name), or {' or '.join(KNOWN)}"
        )
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise InputError(f"{name} is fetched with huggingface_hub: {NO_EXTRA}") from None
    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED), etag_timeout=5))
    except errors.GatedRepoError:
        raise InputError(
            f"{name} asks for consent on the hub; give it, and run hf auth login"
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(f"the Hugging Face hub has no model {name}; check its name") from None
    except (errors.LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ByhandError(
            f"{name} is neither here nor can the Hugging Face hub be reached ({reason:.80}); "
            "connect to a network, or name a folder or .gguf file"
        ) from None


def _opened(path: Path) -> Checkpoint:
    """GGUF and Meta's files are read from their conversion."""
    if format_of(path) == "safetensors":
        return checkpoints.open(path)
    where = cache_folder() / "models" / f"{path.stem}-{_identity(path)}"
    if where.is_dir():
        try:
            _check(where)
            return checkpoints.open(where)
        except (DamagedFileError, InputError) as error:
            logger.warning("%s: converting %s again", error, path.name)
            shutil.rmtree(where)
    logger.info("converting %s, once, into %s", path.name, where)
    made = checkpoints.convert(path, where, "safetensors")
    write_text(where / SEAL, json.dumps(_sums(where), indent=2) + "\n")
    return made


def _identity(path: Path) -> str:
    """Tells this file, or folder of files, from any other."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*")) if path.is_dir() else [path]:
        if file.is_file():
            stat = file.stat()
            digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns};".encode())
            with file.open("rb") as content:
                digest.update(content.read(HEAD))
    return digest.hexdigest()[:16]


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: _sum(path) for path in sorted(folder.iterdir()) if path.name != SEAL}


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(folder: Path) -> None:
    """Raises      DamagedFileError where the files are not those that were written"""
    try:
        sealed: Any = json.loads((folder / SEAL).read_text("utf-8"))
    except (OSError, ValueError):
        raise DamagedFileError(f"{folder} was not finished") from None
    if sealed != _sums(folder):
        raise DamagedFileError(f"{folder} was altered")
