"""One of our runs as a list of tensors: the model that its recipe describes."""

from __future__ import annotations

from pathlib import Path

from byhand.layers import Sequential
from byhand.napkin.tensors import Model, Tensor
from byhand.training.run import Run

ROLES = {"b": "bias", "gamma": "norm", "beta": "norm"}
DTYPES = {"float32": "F32", "float64": "F64"}


def read_run(folder: Path) -> Model:
    """The model of the run in this folder.

    Raises      InputError where its config.toml is no recipe
    """
    recipe = Run(folder).recipe
    model = recipe.model.build(recipe.training.seed, recipe.training.dtype)
    return from_layers(model, folder.name, str(folder), recipe.training.dtype)


def from_layers(model: Sequential, name: str, source: str, dtype: str) -> Model:
    """A model of ours as rows, named as its parameters are: layer.symbol."""
    rows = tuple(
        Tensor(
            name,
            array.shape,
            ROLES.get(name.rpartition(".")[2], "other"),
            dtype=DTYPES[dtype],
        )
        for name, array in model.parameters.items()
    )
    return Model(name, "byhand", rows, source, causal=False)
