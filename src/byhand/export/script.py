"""A run as a Python script of PyTorch's own parts, with its weights in a file beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.engines.program import are_answers, layers_over_steps, recurrent_layers
from byhand.errors import InputError
from byhand.export.trained import Trained, trained
from byhand.export.written import written
from byhand.layers import PADDING, Encoder, Sequential, Shape
from byhand.layers.recurrent import RecurrentLayer
from byhand.losses import BinaryCrossEntropyWithLogits, Loss, SoftmaxCrossEntropy, are_labels
from byhand.storage import write_tensors, write_text
from byhand.training import Run

ANSWERS: dict[type[Loss], tuple[str, str]] = {
    SoftmaxCrossEntropy: ("probabilities", "torch.softmax({y}, dim=-1)"),
    BinaryCrossEntropyWithLogits: ("probabilities", "torch.sigmoid({y})"),
}
"""What a loss reads in the output; other losses take the output as it is."""

TEMPLATE = '''\
"""A trained network, written with PyTorch's own layers. It needs torch and safetensors.

Run as a script, it answers some test examples and compares its answers with those at export.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).parent
TITLE = {title!r}


{classes}class Network(nn.Module):
    """x[batch, {inputs}] -> y[batch, {outputs}]"""

    def __init__(self) -> None:
        super().__init__()
{makes}

    def forward(self, x: Tensor{given}) -> Tensor:
{calls}
        return x

    def predict(self, x: Tensor{given}) -> Tensor:
        """What the network answers: {answers}."""
        return {predict}


def load() -> Network:
    """The network with its trained weights, ready to predict."""
    network = Network().to(torch.{dtype})
    network.load_state_dict(load_file(HERE / {weights!r}))
    return network.eval()


def main() -> None:
    network = load()
    examples = load_file(HERE / {examples!r})
    with torch.no_grad():
        answers = network.predict(examples["inputs"])
    print(TITLE)
    print(f"{{len(answers)}} test examples")
{accuracy}    difference = (answers - examples["answers"]).abs().max().item()
    print(f"largest difference from the answers at export: {{difference:.1e}}")


if __name__ == "__main__":
    main()
'''
FROM_ZEROS = "states: dict[str, Tensor] = {}"
"""How a network begins that remembers, and has other layers that could not go on from a piece."""
STATES = '''\
"""It starts from `states`, or zeros, and leaves there what the next piece starts from."""
states = {} if states is None else states'''
"""How a network that remembers begins, so that a sequence can be read piece by piece."""
ACCURACY = """\
    best = {best}
    right = (best == examples["targets"]).double().mean().item()
    print(f"accuracy {{right:.4f}}")
"""


def export_torch(run: Run, path: Path) -> list[Path]:
    """Write the script to `path`, the weights and some test examples beside it; all three files.

    Raises      InputError for a layer or data that cannot be written, or a run without a finished
                epoch
    """
    found = trained(run)
    weights, examples = (path.with_suffix(f"{part}.safetensors") for part in ("", ".examples"))
    text, arrays = script(found, weights.name, examples.name)
    split = found.examples
    given = {"inputs": split.inputs, "targets": split.targets, "answers": found.answers}
    write_tensors(weights, arrays)
    write_tensors(examples, given)
    write_text(path, text)
    return [path, weights, examples]


def script(found: Trained, weights: str, examples: str) -> tuple[str, dict[str, NDArray[Any]]]:
    """The script's text, and the arrays that it loads from the file `weights`."""
    inputs = found.examples.inputs.shape[1:]
    description = found.program.description
    description.model.set_parameters(found.program.parameters())
    if isinstance(description.model.layers[0], Encoder):
        raise InputError(
            "a model that reads pairs of sentences is not written with torch.nn: export --to onnx"
        )
    if are_labels(found.examples.inputs) and np.any(found.examples.inputs == PADDING):
        raise InputError(
            f"the sequences have padding (ids of {PADDING}), which the layers of torch.nn do not "
            f"leave out: export --to onnx"
        )
    lines, arrays = _layers(description.model, inputs)
    given, y = "", "self(x)"
    if recurrent_layers(description.model):
        # An attention and positions are written for whole sequences.
        over_steps = layers_over_steps(description.model).values()
        if all(isinstance(layer, RecurrentLayer) for layer in over_steps):
            lines.calls[:0] = STATES.splitlines()
            given, y = ", states: dict | None = None", "self(x, states)"
        else:
            lines.calls.insert(0, FROM_ZEROS)
    answers, predict = ANSWERS.get(type(description.loss), ("values", "{y}"))
    accuracy = ""
    if are_answers(found.examples.targets):
        single = found.answers.shape[1] == 1
        best = "(answers[:, 0] > 0.5).long()" if single else "answers.argmax(dim=1)"
        accuracy = ACCURACY.format(best=best)
    text = TEMPLATE.format(
        title=found.title,
        given=given,
        inputs=", ".join(map(str, inputs)),
        outputs=", ".join(map(str, found.answers.shape[1:])),
        classes="".join(f"{each}\n\n" for each in lines.classes),
        makes="\n".join(f"        {line}" for line in lines.makes),
        calls="\n".join(f"        {line}" for line in lines.calls),
        answers=answers,
        predict=predict.format(y=y),
        dtype=found.answers.dtype,
        weights=weights,
        examples=examples,
        accuracy=accuracy,
    )
    return text, arrays


@dataclass(frozen=True)
class Lines:
    """Those that define classes, make the layers and call them."""

    classes: dict[str, None]
    makes: list[str]
    calls: list[str]


def _layers(model: Sequential, shape: Shape) -> tuple[Lines, dict[str, NDArray[Any]]]:
    """The lines of the script, and the arrays of its layers."""
    lines = Lines({}, [], [])
    names: list[str] = []
    arrays: dict[str, NDArray[Any]] = {}
    for layer in model.layers:
        name = _attribute(str(layer.name), names)
        there = written(layer, shape)
        lines.classes.update(dict.fromkeys(there.classes))
        lines.calls.append(there.line.format(layer=f"self.{name}", name=name))
        if there.expression is not None:
            names.append(name)
            lines.makes.append(f"self.{name} = {there.expression}")
        arrays |= {f"{name}.{symbol}": value for symbol, value in there.arrays.items()}
        shape = layer.output_shape(shape)
    return lines, arrays


def _attribute(name: str, taken: list[str]) -> str:
    """A name that Python takes and that no attribute of a module's own has: none of these ends in a
    digit or is `output`."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not name[0].isalpha():
        name = f"layer_{name}"
    if not name[-1].isdigit() and name != "output":
        name += "_layer"
    while name in taken:
        name += "_2"
    return name
