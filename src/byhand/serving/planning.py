"""From the models that a person names to what is served: names, kinds, the memory of a replica."""

from __future__ import annotations

from pathlib import Path

from byhand.errors import ByhandError, InputError
from byhand.language import memory
from byhand.language.sources import find
from byhand.serving.settings import Served

DTYPE = "bf16"
"""Of a served language model. The kernel of eight bits takes as long for each row of a batch as
for one alone, so that batching would gain nothing."""
USUAL_CONTEXT = 4096


def plan(models: list[str], slots: int, context: int | None) -> tuple[Served, ...]:
    """What is served.

    models      each as NAME=MODEL, or as MODEL, which is then called by the last part of it
    slots       answers at once
    context     tokens of each

    Raises      InputError where the only one cannot be loaded; of several it is the replica that
                says so, and the others are served
    """
    return tuple(_planned(model, slots, context, alone=len(models) == 1) for model in models)


def _planned(model: str, slots: int, context: int | None, alone: bool) -> Served:
    name, equals, source = model.partition("=")
    if not equals or Path(model).exists():
        source = model
        path = Path(model)
        name = path.stem if path.suffix == ".gguf" else path.name or path.resolve().name
    if not name or not source:
        raise InputError(f"a model is given as NAME=MODEL or as MODEL, found {model!r}")
    if (run := run_folder(source)) is not None:
        return Served(name, str(run), "classifier", memory.LIBRARIES)
    where = str(Path(source).resolve()) if Path(source).exists() else source
    try:
        return Served(name, where, memory=replica_memory(where, slots, context))
    except ByhandError:
        if alone:
            raise
        return Served(name, where)


def run_folder(source: str) -> Path | None:
    """The folder of a run of ours, where it is one."""
    for folder in (Path(source), Path("runs") / source):
        if (folder / "config.toml").is_file():
            return folder.resolve()
    return None


def replica_memory(source: str, slots: int, context: int | None) -> int:
    """Bytes that a replica takes: the model's sum, and a cache for each slot.

    Raises      InputError where there is no such model; ByhandError where it cannot be fetched
    """
    checkpoint = find(source).checkpoint
    most = int(checkpoint.config["max_position_embeddings"])
    tokens = context or min(most, USUAL_CONTEXT)
    need = memory.needed(checkpoint, tokens, DTYPE)
    return need.total + (slots - 1) * need.cache
