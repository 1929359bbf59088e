"""What the models let one choose by name."""

from __future__ import annotations

from byhand.errors import InputError
from byhand.layers import Layer, ReLU, Sigmoid, Softmax, Tanh

ACTIVATIONS: dict[str, type[Layer]] = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU}
OUTPUTS: dict[str, type[Layer]] = {"sigmoid": Sigmoid, "tanh": Tanh, "softmax": Softmax}


def check_choices(activation: str, output: str | None) -> None:
    """Raise InputError where there is no such activation, or no such layer for the output."""
    if activation not in ACTIVATIONS:
        raise InputError(f"activation is one of {', '.join(ACTIVATIONS)}; found {activation!r}")
    if output is not None and output not in OUTPUTS:
        raise InputError(f"output is one of {', '.join(OUTPUTS)} or left out; found {output!r}")


def check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputError where the value of an argument is none of its choices."""
    if value not in choices:
        raise InputError(f"{argument} is one of {', '.join(choices)}; found {value!r}")
