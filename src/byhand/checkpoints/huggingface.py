"""A model in a folder as Hugging Face has it: config.json, safetensors in one or many files, the
tokenizer and the settings of generation.

Source      `huggingface_hub/serialization`, for the index of many files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from byhand.checkpoints.assembly import assembled
from byhand.checkpoints.description import Checkpoint, Config, Tensor
from byhand.checkpoints.families import family_of
from byhand.checkpoints.numbers import DTYPES, TORCH_NAMES
from byhand.checkpoints.safetensors_header import read_safetensors_header
from byhand.checkpoints.settings import generation, normalised, sound
from byhand.checkpoints.tokenizer_files import FileTokenizer, as_json, read_json
from byhand.checkpoints.torch_file import Place
from byhand.checkpoints.writing import Plan, pieces
from byhand.errors import InputError

CONFIG, GENERATION, README = "config.json", "generation_config.json", "README.md"
ADAPTER = "adapter_config.json"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
LARGEST_SHARD = 5_000_000_000
FRONT_MATTER = "---"


def open_folder(folder: Path) -> Checkpoint:
    """The model in the folder.

    Raises      InputError where a file is missing or not whole, and for other families
    """
    with sound("configuration", folder / CONFIG):
        config = normalised(read_json(folder / CONFIG), folder / CONFIG)
    family = family_of(config, folder)
    found: dict[str, Tensor] = {}
    for path in shard_files(folder):
        for tensor in read_safetensors_header(path).tensors:
            if tensor.name in found:
                raise InputError(f"{folder}: two files hold the tensor {tensor.name[:80]}")
            found[tensor.name] = _tensor(path, tensor)
    tensors = assembled(config, family, 0, found, folder)
    return Checkpoint(
        folder,
        "safetensors",
        config,
        tensors,
        FileTokenizer.of(folder),
        generation_of(folder),
        about(folder, config),
    )


def generation_of(folder: Path) -> Config:
    """How answers are drawn, and which words end them.

    Raises      InputError where a number is none
    """
    path = folder / GENERATION
    return generation(read_json(path), path) if path.is_file() else {}


def shard_files(folder: Path) -> list[Path]:
    """The safetensors files of the model, in order.

    Raises      InputError that names a file that is missing
    """
    index = folder / INDEX
    if (folder / SINGLE).is_file() or not index.is_file():
        if not (folder / SINGLE).is_file():
            raise InputError(f"{folder} has neither {SINGLE} nor {INDEX}; fetch the model again")
        return [folder / SINGLE]
    listed = read_json(index).get("weight_map")
    names = sorted(set(listed.values())) if isinstance(listed, dict) else []
    for name in names:
        # A name is somebody else's: it may not lead out of the folder.
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(f"{index} names the file {name!r:.60}, which is not in its folder")
        if not (folder / name).is_file():
            raise InputError(f"{index} names {name}, which is missing; fetch it as well")
    if not names:
        raise InputError(f"{index} names no files; fetch it again")
    return [folder / name for name in names]


def _tensor(path: Path, tensor: Any) -> Tensor:
    place = Place(path, tensor.offset, tensor.dtype, tensor.shape)
    return Tensor(tensor.name, tensor.shape, tensor.dtype, partial(_read, place), place)


def _read(place: Place) -> Any:
    if place.dtype not in DTYPES:
        raise InputError(
            f"{place.path} has tensors of the type {place.dtype}; byhand converts F32, F16 and BF16"
        )
    return place.read()


def about(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """The model's name, and its licence from the head of README.md."""
    name = config.get("_name_or_path")
    found = {"name": str(name) if isinstance(name, str) and name else folder.resolve().name}
    readme = folder / README
    if readme.is_file():
        with readme.open("rb") as file:
            lines = file.read(65536).decode("utf-8", "replace").splitlines()
        if lines and lines[0] == FRONT_MATTER:
            for line in lines[1:]:
                if line == FRONT_MATTER:
                    break
                key, _, value = line.partition(":")
                if key == "license" and value.strip():
                    found["licence"] = value.strip().strip("'\"")
    return found


def small_files(checkpoint: Checkpoint, plan: Plan) -> dict[str, bytes]:
    """config.json, generation_config.json, the tokenizer's files, and a README with the licence."""
    config = checkpoint.config | {"torch_dtype": TORCH_NAMES[plan.matrices]}
    config.pop("dtype", None)
    files = {CONFIG: as_json(config)}
    if checkpoint.generation:
        files[GENERATION] = as_json(checkpoint.generation)
    if checkpoint.tokenizer is not None:
        files |= checkpoint.tokenizer.files()
    if licence := checkpoint.about.get("licence"):
        name = checkpoint.about.get("name", "")
        files[README] = f"---\nlicense: {licence}\n---\n\n# {name}\n".encode()
    return files


def write_folder(
    checkpoint: Checkpoint, folder: Path, plan: Plan, largest: int = LARGEST_SHARD
) -> None:
    """Write the model into an empty folder; largest: bytes of a file, where tensors allow it."""
    with ThreadPoolExecutor(1) as pool:
        # Words are Python's work and weights are NumPy's, so they go on beside each other.
        small = pool.submit(small_files, checkpoint, plan)
        _write_weights(checkpoint, folder, plan, largest)
        for name, content in small.result().items():
            (folder / name).write_bytes(content)


def _write_weights(checkpoint: Checkpoint, folder: Path, plan: Plan, largest: int) -> None:
    groups = _groups(checkpoint, plan, largest)
    if len(groups) == 1:
        _write_shard(checkpoint, folder / SINGLE, plan, groups[0])
        return
    where: dict[str, str] = {}
    for number, names in enumerate(groups, 1):
        shard = f"model-{number:05}-of-{len(groups):05}.safetensors"
        _write_shard(checkpoint, folder / shard, plan, names)
        where |= dict.fromkeys(names, shard)
    total = sum(_nbytes(checkpoint.tensors[name], plan) for name in where)
    (folder / INDEX).write_bytes(as_json({"metadata": {"total_size": total}, "weight_map": where}))


def _nbytes(tensor: Tensor, plan: Plan) -> int:
    return int(prod(tensor.shape) * np.dtype(DTYPES[plan.dtypes[tensor.name]]).itemsize)


def _groups(checkpoint: Checkpoint, plan: Plan, largest: int) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    size = 0
    for name, tensor in checkpoint.tensors.items():
        nbytes = _nbytes(tensor, plan)
        if groups[-1] and size + nbytes > largest:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += nbytes
    return groups


def _write_shard(checkpoint: Checkpoint, path: Path, plan: Plan, names: list[str]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in names:
        tensor = checkpoint.tensors[name]
        end = at + _nbytes(tensor, plan)
        offsets = [at, end]
        kind = plan.dtypes[name]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": offsets}
        at = end
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    with path.open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        for name in names:
            for piece in pieces(checkpoint.tensors[name], plan.dtypes[name]):
                file.write(np.ascontiguousarray(piece).data.cast("B"))
