"""A run as a Python script of PyTorch's own parts, with its weights in a file beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from byhand.export.trained import Trained, trained
from byhand.export.written import written
from byhand.layers import Sequential, Shape
from byhand.losses import BinaryCrossEntropyWithLogits, Loss, SoftmaxCrossEntropy, are_labels
from byhand.storage import write_tensors, write_text
from byhand.training import Run

ANSWERS: dict[type[Loss], tuple[str, str]] = {
    SoftmaxCrossEntropy: ("probabilities", "torch.softmax(self(x), dim=-1)"),
    BinaryCrossEntropyWithLogits: ("probabilities", "torch.sigmoid(self(x))"),
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


class Network(nn.Module):
    """x[batch, {inputs}] -> y[batch, {outputs}]"""

    def __init__(self) -> None:
        super().__init__()
{makes}

    def forward(self, x: Tensor) -> Tensor:
{calls}
        return x

    def predict(self, x: Tensor) -> Tensor:
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
ACCURACY = """\
    best = {best}
    right = (best == examples["targets"]).double().mean().item()
    print(f"accuracy {{right:.4f}}")
"""


def export_torch(run: Run, path: Path) -> list[Path]:
    """Write the script to `path`, the weights and some test examples beside it; all three files.

    Raises      InputError for a layer that cannot be written, or a run without a finished epoch
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
    makes, names, arrays = _layers(description.model, inputs)
    answers, predict = ANSWERS.get(type(description.loss), ("values", "self(x)"))
    accuracy = ""
    if are_labels(found.examples.targets):
        single = found.answers.shape[1] == 1
        best = "(answers[:, 0] > 0.5).long()" if single else "answers.argmax(dim=1)"
        accuracy = ACCURACY.format(best=best)
    text = TEMPLATE.format(
        title=found.title,
        inputs=", ".join(map(str, inputs)),
        outputs=", ".join(map(str, found.answers.shape[1:])),
        makes="\n".join(f"        {line}" for line in makes),
        calls="\n".join(f"        x = self.{name}(x)" for name in names),
        answers=answers,
        predict=predict,
        dtype=found.answers.dtype,
        weights=weights,
        examples=examples,
        accuracy=accuracy,
    )
    return text, arrays


def _layers(
    model: Sequential, shape: Shape
) -> tuple[list[str], list[str], dict[str, NDArray[Any]]]:
    """The lines that make the layers, their names in the script, and their arrays."""
    makes: list[str] = []
    names: list[str] = []
    arrays: dict[str, NDArray[Any]] = {}
    for layer in model.layers:
        name = _attribute(str(layer.name), names)
        names.append(name)
        there = written(layer, shape)
        makes.append(f"self.{name} = {there.expression}")
        arrays |= {f"{name}.{symbol}": value for symbol, value in there.arrays.items()}
        shape = layer.output_shape(shape)
    return makes, names, arrays


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
