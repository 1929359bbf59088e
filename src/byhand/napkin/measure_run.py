"""One training step of one of our runs: what the napkin predicts beside what the layers keep."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError
from byhand.layers import Flatten, Sequential
from byhand.napkin.measure import Measurement, Term
from byhand.training import parts
from byhand.training.model_tables import READ, CNNTable, OfPairs, OfText
from byhand.training.run import Run

Array = NDArray[Any]
INPUT, OUTPUT, MASK, SWITCHES = "input", "output", "mask", "switches"
KEEPS = {
    "Dense": INPUT,
    "Convolution2D": INPUT,
    "Sigmoid": OUTPUT,
    "Tanh": OUTPUT,
    "ReLU": OUTPUT,
    "Softmax": OUTPUT,
    "Dropout": MASK,
    "MaxPool2D": SWITCHES,
    "AveragePool2D": None,
    "Flatten": None,
}
"""What the derivative of a layer needs of its forward pass, by its class; the switches say where
each maximum was, in 8 bytes."""


def measure_run(folder: Path, batch: int) -> Measurement:
    """Run one step of the model of the run in this folder, on random inputs, with NumPy.

    Raises      InputError where its config.toml is no recipe, or one that reads a text
    """
    recipe = Run(folder).recipe
    if isinstance(recipe.model, OfText | OfPairs):
        raise InputError(
            f"run {folder.name} reads {READ[recipe.model.reads]}: measured are networks of numbers "
            "and images, recipes of kind mlp and cnn"
        )
    dtype = np.dtype(recipe.training.dtype)
    model = recipe.model.build(recipe.training.seed, recipe.training.dtype)
    optimizer = parts.build(recipe.optimizer, parts.OPTIMIZERS)
    table = recipe.model
    shape = (batch, *(table.image if isinstance(table, CNNTable) else table.sizes[:1]))
    predicted, unknown = _predict(model, shape, dtype.itemsize)
    kept = {str(layer.name): KEEPS.get(type(layer).__name__) or "" for layer in model.layers}

    x = np.random.default_rng(recipe.training.seed).standard_normal(shape).astype(dtype)
    masks = model.draw_masks(batch, shape[1:], recipe.training.seed, 0, dtype)
    y, caches = model.forward(x, masks)
    measured = _measure(model, caches)
    _, gradients = model.backward(np.ones_like(y), caches)
    trained = model.trained
    _, state = optimizer.step(
        trained, gradients, optimizer.initial_state(trained), 0.1, 1, model.weight_names
    )

    weights = sum(prod(w.shape) for w in model.parameters.values()) * dtype.itemsize
    learned = sum(prod(w.shape) for w in trained.values()) * dtype.itemsize
    kind = type(optimizer)
    return Measurement(
        subject=folder.name,
        inputs="×".join(map(str, shape)),
        activations=tuple(Term(n, predicted[n], measured[n], kept[n]) for n in predicted),
        weights=Term("weights", weights, _total(model.parameters.values())),
        gradients=Term("gradients", learned, _total(gradients.values())),
        optimizer=Term(
            kind.__name__.lower(), len(kind.state_names) * learned, _total(state.values())
        ),
        notes=tuple(
            f"byhand has no rule for {name}: not in the prediction"
            for name in dict.fromkeys(unknown)
        ),
    )


def _predict(
    model: Sequential, shape: tuple[int, ...], itemsize: int
) -> tuple[dict[str, int], list[str]]:
    """(bytes by layer, classes without a rule). A layer's input is the output of the one before,
    and what two layers keep is there once."""
    kept: set[int] = set()
    predicted, unknown = {}, []
    value, own = 0, tuple(shape[1:])  # the number of the value that goes on, and its shape
    for number, layer in enumerate(model.layers, start=1):
        name, kind = str(layer.name), type(layer).__name__
        out = layer.output_shape(own)
        before, after = value, value if isinstance(layer, Flatten) else number
        keeps = KEEPS.get(kind)
        if kind not in KEEPS:
            unknown.append(kind)
        places = {
            INPUT: (before, own, itemsize),
            OUTPUT: (after, out, itemsize),
            MASK: (-number, out, itemsize),
            SWITCHES: (-number, out, np.dtype(np.intp).itemsize),
        }
        predicted[name] = 0
        if keeps and places[keeps][0] not in kept:
            place, kept_shape, each = places[keeps]
            predicted[name] = shape[0] * prod(kept_shape) * each
            kept.add(place)
        value, own = after, out
    return predicted, unknown


def _measure(model: Sequential, caches: list[Any]) -> dict[str, int]:
    """The bytes of the arrays in each layer's cache, an array that two hold once."""
    seen = {id(_whole(value)) for value in model.parameters.values()}
    measured = {}
    for layer, cache in zip(model.layers, caches, strict=True):
        arrays = {id(_whole(array)): _whole(array).nbytes for array in _arrays(cache)}
        measured[str(layer.name)] = sum(n for key, n in arrays.items() if key not in seen)
        seen |= set(arrays)
    return measured


def _arrays(cache: Any) -> Iterator[Array]:
    if isinstance(cache, np.ndarray):
        yield cache
    elif isinstance(cache, dict):
        yield from _arrays(list(cache.values()))
    elif isinstance(cache, list | tuple):
        for part in cache:
            yield from _arrays(part)


def _whole(array: Array) -> Array:
    """The array whose memory this one is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _total(arrays: Any) -> int:
    return sum(array.nbytes for array in arrays)
