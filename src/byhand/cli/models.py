"""What a person calls a model: one that is published, or a run of ours that is a Llama."""

from __future__ import annotations

from pathlib import Path


def opened_as(model: str) -> str:
    """What `byhand.language.load` takes for it: of a run of ours its export, which is written when
    it is first asked for, and anything else as it is.

    Raises      InputError for a run that is no Llama
    """
    if not _is_run(model):
        return model
    from byhand.export import published
    from byhand.training import Run

    return str(published(Run.open(model)))


def served_as(model: str) -> str:
    """The same for MODEL or NAME=MODEL, to be served: a run that classifies stays a run."""
    name, _, source = model.rpartition("=") if not Path(model).exists() else ("", "", model)
    if not _is_run(source):
        return model
    from byhand.training import Run
    from byhand.training.model_tables import GPTTable

    run = Run.open(source)
    if not isinstance(run.recipe.model, GPTTable):
        return model
    return f"{name or run.name}={opened_as(source)}"


def _is_run(model: str) -> bool:
    from byhand.language.sources import KNOWN
    from byhand.serving.planning import run_folder

    return model not in KNOWN and run_folder(model) is not None
