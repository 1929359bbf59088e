"""One digit on its way through a convolutional network.

Prints for each layer the shape of its output, its parameters, how many pixels of the image a unit
sees and how far apart units look.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from _shared import convolutional, digits, output_folder, publish

from byhand.views import feature_maps
from byhand.views.feature_maps import FeatureMaps
from byhand.views.receptive_field import ReceptiveField, receptive_field
from byhand.views.subject import in_our_layers

STEPS, TESTS = 1000, 2000


@dataclass(frozen=True)
class Findings:
    """The maps of the first test digit; layer -> shape, parameters, what a unit sees."""

    maps: FeatureMaps
    accuracy: float
    layers: dict[str, tuple[tuple[int, ...], int, ReceptiveField]]


def measure(steps: int = STEPS) -> Findings:
    program = convolutional(steps)
    model, (_, test) = in_our_layers(program), digits(0, TESTS)
    about = "a small convolutional network that has learned from 10,000 digits"
    maps = feature_maps.maps_of(program, test.inputs[0], about, f"a {test.targets[0]}")
    layers, shape = {}, test.inputs.shape[1:]
    for k, layer in enumerate(model.layers):
        shape = layer.output_shape(shape)
        count = sum(value.size for value in layer.parameters.values())
        field = receptive_field(model.layers[: k + 1], test.inputs.shape[2:])
        layers[str(layer.name)] = shape, count, field
    accuracy = program.evaluate(test.inputs, test.targets).accuracy
    return Findings(maps, accuracy, layers)


def report(found: Findings) -> list[str]:
    lines = ["layer         output          parameters   a unit sees   units apart"]
    for name, (shape, count, field) in found.layers.items():
        size, seen, apart = (
            " x ".join(map(str, numbers)) for numbers in (shape, field.size, field.step)
        )
        apart = "" if field.step == (0, 0) else f"{apart:>14}"
        lines.append(f"{name:14}{size:16}{count:10,}{seen:>14}{apart}".rstrip())
    lines += ["", f"right of {TESTS:,} test digits: {100 * found.accuracy:.1f} %"]
    return lines


def main(folder: Path, steps: int = STEPS) -> Findings:
    found = measure(steps)
    publish("feature_maps", lambda: feature_maps.draw(found.maps), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
