"""The names that a recipe may use, and the tables `name = "…"` plus arguments that build one.

The keys of a table are the fields of the class that it names, so a new optimizer or schedule needs
one line here and nothing else.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator

from byhand import clipping, initializers, losses, optimizers, regularizers, schedules
from byhand.data import augment
from byhand.errors import InputError

LossName = Literal[
    "quadratic", "softmax_cross_entropy", "cross_entropy", "binary_cross_entropy_with_logits"
]
LOSSES: dict[str, type[losses.Loss]] = {
    "quadratic": losses.QuadraticCost,
    "softmax_cross_entropy": losses.SoftmaxCrossEntropy,
    "cross_entropy": losses.CrossEntropy,
    "binary_cross_entropy_with_logits": losses.BinaryCrossEntropyWithLogits,
}

InitializerName = Literal["standard_normal", "normal_fan_in", "glorot", "he", "orthogonal", "zeros"]
INITIALIZERS: dict[str, type[initializers.Initializer]] = {
    "standard_normal": initializers.StandardNormal,
    "normal_fan_in": initializers.NormalFanIn,
    "glorot": initializers.Glorot,
    "he": initializers.He,
    "orthogonal": initializers.Orthogonal,
    "zeros": initializers.Zeros,
}

OPTIMIZERS: dict[str, type[Any]] = {
    "sgd": optimizers.SGD,
    "momentum": optimizers.Momentum,
    "nesterov": optimizers.Nesterov,
    "rmsprop": optimizers.RMSProp,
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
}
REGULARIZERS: dict[str, type[Any]] = {"l1": regularizers.L1, "l2": regularizers.L2}
CLIPPINGS: dict[str, type[Any]] = {
    "value": clipping.ClipByValue,
    "global_norm": clipping.ClipByGlobalNorm,
}
SCHEDULES: dict[str, type[Any]] = {
    "constant": schedules.Constant,
    "step": schedules.Step,
    "cosine": schedules.Cosine,
    "warm_up": schedules.WarmUp,
    "halve_on_plateau": schedules.HalveOnPlateau,
    "inverse_square_root": schedules.InverseSquareRoot,
}

AUGMENTATIONS: dict[str, type[Any]] = {"shifts": augment.Shifts, "affine": augment.AffineCopies}


def build(table: Mapping[str, Any], registry: Mapping[str, type[Any]]) -> Any:
    """The object that a table describes: {"name": "sgd", "learning_rate": 0.5} -> SGD(0.5).

    Raises      InputError for an unknown name, an unknown or missing key, or a wrong type.
    """
    name = table.get("name")
    if not isinstance(name, str) or name not in registry:
        found = "no name" if name is None else repr(name)
        near = _near(name, registry)
        raise InputError(f"name is one of {', '.join(registry)}; found {found}{near}")
    kind = registry[name]
    types = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    for key, value in table.items():
        if key == "name":
            continue
        if key not in fields:
            advice = _near(key, fields) or f"; {name} takes {', '.join(fields) or 'no keys'}"
            raise InputError(f"unknown key {key}{advice}")
        values[key] = _converted(key, value, types[key])
    for key, field in fields.items():
        if key not in values and field.default is dataclasses.MISSING:
            raise InputError(f"{key} is missing; {name} takes {', '.join(fields)}")
    return kind(**values)


def _converted(key: str, value: Any, wanted: type) -> Any:
    """A field's value: a number, or for a schedule within a schedule the object of its table."""
    if wanted is schedules.Schedule and isinstance(value, Mapping):
        try:
            return build(value, SCHEDULES)
        except InputError as error:
            raise InputError(f"{key}: {error}") from None
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is float and type(value) is float and not math.isfinite(value):
        raise InputError(f"{key}: expected a finite number, found {value}")
    if type(value) is not wanted:
        expected = {float: "a number", int: "a whole number"}.get(wanted, "a table with a name")
        raise InputError(f"{key}: expected {expected}, found {value!r}")
    return value


def _near(name: Any, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _validated_by(registry: Mapping[str, type[Any]]) -> AfterValidator:
    def validate(table: dict[str, Any]) -> dict[str, Any]:
        try:
            build(table, registry)
        except InputError as error:
            # pydantic adds the key's place to a ValueError, and lets others through without it.
            raise ValueError(str(error)) from None
        return table

    return AfterValidator(validate)


OptimizerTable = Annotated[dict[str, Any], _validated_by(OPTIMIZERS)]
RegularizerTable = Annotated[dict[str, Any], _validated_by(REGULARIZERS)]
ClippingTable = Annotated[dict[str, Any], _validated_by(CLIPPINGS)]
ScheduleTable = Annotated[dict[str, Any], _validated_by(SCHEDULES)]
AugmentationTable = Annotated[dict[str, Any], _validated_by(AUGMENTATIONS)]
