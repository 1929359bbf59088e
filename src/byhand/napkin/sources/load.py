"""From what a person writes for a model to its tensors."""

from __future__ import annotations

import re
from pathlib import Path

from byhand.errors import InputError
from byhand.napkin.sources import config, count, known
from byhand.napkin.sources.refused import refuse_state_space
from byhand.napkin.tensors import Model

LONGEST = 4096
MODULE = re.compile(r"[\w.]+:[\w.]+")


def load(text: str) -> Model:
    """The model that the text means.

    text        a known name (Llama-3.1-8B, meta-llama/Llama-2-7b-hf), a config.json or the folder
                with one, a .safetensors or .gguf file, one of our runs, a PyTorch module
                (FILE.py::NAME or package.module:NAME, which runs that code), or a count: 7B
    Raises      InputError with the nearest names where it means none, and for architectures byhand
                doesn't know
    """
    text = text.strip()
    if not text or len(text) > LONGEST or "\0" in text:
        raise InputError("MODEL is a name, a file or a count such as 7B; found no such text")
    if is_module(text):
        from byhand.napkin.sources.module import read_module

        return read_module(text)
    path = Path(text)
    if path.is_file():
        return _from_file(path)
    if path.is_dir() and (model := _from_folder(path)):
        return model
    # A folder that holds no model may still be called like one.
    if model := count.find(text) or known.find(text):
        return model
    if path.is_dir():
        raise InputError(
            f"{path}: expected a model's config.json or .gguf, or a run's config.toml, in this "
            "folder; found none"
        )
    if path.suffix in (".json", ".gguf", ".safetensors", ".py"):
        raise InputError(f"{text}: no such file")
    refuse_state_space(text, text)
    if model := _from_folder(Path("runs") / text):
        return model
    near = known.similar(text)
    advice = f"did you mean {_either(near)}? " if near else ""
    raise InputError(
        f"unknown model {text[:80]!r}; {advice}MODEL is a known name such as Llama-3.1-8B, a "
        "config.json, a .safetensors or .gguf file, a run, a module, or a count such as 7B"
    )


def is_module(text: str) -> bool:
    """Whether the text is written as a PyTorch module: FILE.py::NAME or package.module:NAME."""
    return "::" in text or MODULE.fullmatch(text) is not None


def _from_file(path: Path) -> Model:
    if path.suffix == ".gguf":
        from byhand.napkin.sources.gguf import read_gguf

        return read_gguf(path)
    if path.suffix == ".safetensors":
        from byhand.napkin.sources.safetensors import read_safetensors

        return read_safetensors(path)
    if path.suffix == ".json":
        return config.read_config(path)
    raise InputError(
        f"{path} is no model; expected a config.json, a .safetensors or .gguf file, the folder of "
        "a run or of a model, or a module written FILE.py::NAME"
    )


def _from_folder(folder: Path) -> Model | None:
    """The run or the model in the folder; a model's weights say more than its config alone."""
    if (folder / "config.toml").is_file():
        from byhand.napkin.sources.run import read_run

        return read_run(folder)
    for pattern in ("model.safetensors", "model-00001-of-*.safetensors", "config.json", "*.gguf"):
        if found := next(iter(sorted(folder.glob(pattern))), None):
            return _from_file(found)
    return None


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
