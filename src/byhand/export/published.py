"""A run as those have it that know published models only."""

from __future__ import annotations

import hashlib
from pathlib import Path

from byhand.data import cache_folder
from byhand.errors import InputError
from byhand.export.huggingface import export_huggingface
from byhand.training import Run


def published(run: Run) -> Path:
    """The run as `export_huggingface` writes it, in the cache of converted models: once for each
    best epoch.

    Raises      InputError where the run's model is no Llama, and what to use instead
    """
    run.parameters("best")  # says what is missing
    where = cache_folder() / "models" / f"{run.name}-{_identity(run)}"
    if not where.is_dir():
        try:
            export_huggingface(run, where)
        except InputError as error:
            word = "predict" if run.vocabulary is None else "sample"
            raise InputError(
                f"{run.name} opens as no published model does ({error}); byhand {word} {run.name} "
                "takes it as it is"
            ) from None
    return where


def _identity(run: Run) -> str:
    """Tells these parameters, and what they mean, from any other."""
    digest = hashlib.sha256()
    for name in ("config.toml", "best.safetensors"):
        digest.update((run.folder / name).read_bytes())
    return digest.hexdigest()[:16]
