"""The same four maps for photographs, in a network that was trained on a million of them.

EfficientNet-Lite0, its weights read into byhand's own layers. Prints the likeliest classes of each
photograph, and for each method how alike its maps of the two photographs are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from PIL import Image

from byhand.checkpoints.efficientnet_lite import read_efficientnet_lite0
from byhand.data import fetch_file
from byhand.layers import Sequential, Softmax
from byhand.views import saliency
from byhand.views.saliency import Saliency

PHOTOGRAPHS = {"chelsea.png": "a cat", "coffee.png": "coffee"}
SIDE, SQUARE, STEP = 224, 56, 42
DRAWN = 4  # pixels to a side of what is drawn as one, for a small figure
# Those that are met here, of ImageNet's thousand.
NAMES = {
    281: "tabby",
    282: "tiger cat",
    285: "Egyptian cat",
    287: "lynx",
    504: "coffee mug",
    925: "consommé",
    967: "espresso",
    968: "cup",
}


@dataclass(frozen=True)
class Findings:
    """photograph -> {class: probability} of the likeliest; the maps, as large as they are."""

    likeliest: dict[str, dict[int, float]]
    view: Saliency


def photograph(name: str) -> np.ndarray:
    """The middle of a picture as [3, 224, 224] in [0, 1]."""
    with Image.open(fetch_file(name)) as opened:
        picture = opened.convert("RGB")
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    box = (left, top, left + side, top + side)
    picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)
    return np.asarray(picture, np.float32).transpose(2, 0, 1) / 255


def as_trained(images: np.ndarray) -> np.ndarray:
    """What the network was trained on: bytes less 127, by 128."""
    return ((255 * images - 127) / 128).astype(np.float32)


def measure(step: int = STEP) -> Findings:
    network = read_efficientnet_lite0(fetch_file("efficientnet-lite0.pth"))
    images = np.stack([photograph(name) for name in PHOTOGRAPHS])
    x = as_trained(images)
    p, _ = Softmax().forward(network.forward(x)[0])
    best = np.argsort(-p, axis=1)[:, :4]
    likeliest = {
        name: {int(k): float(row[k]) for k in order}
        for name, row, order in zip(PHOTOGRAPHS, p, best, strict=True)
    }
    maps = all_maps(network, x, best[:, 0], step)
    names = [f"score of {NAMES[int(k)]}" for k in best[:, 0]]
    about = "EfficientNet-Lite0 with the weights that Google trained on ImageNet"
    captions = list(PHOTOGRAPHS.values())
    return Findings(
        likeliest, Saliency(about, captions, images, "a class", best[:, 0], names, maps)
    )


def all_maps(
    network: Sequential, x: np.ndarray, units: np.ndarray, step: int
) -> dict[str, np.ndarray]:
    nowhere = np.zeros((len(x), 2), int)

    def ask(images: np.ndarray) -> np.ndarray:
        return network.forward(images)[0]

    return saliency.all_maps(network.layers, ask, x, units, nowhere, squares=(SQUARE, step))


def smaller(images: np.ndarray) -> np.ndarray:
    """The mean of each DRAWN x DRAWN pixels."""
    n, channels, height, width = images.shape
    tiles = images.reshape(n, channels, height // DRAWN, DRAWN, width // DRAWN, DRAWN)
    return tiles.mean(axis=(3, 5))


def alike(maps: np.ndarray) -> float:
    """The correlation of the maps of the two photographs."""
    return float(np.corrcoef(*maps.reshape(len(maps), -1))[0, 1])


def report(found: Findings) -> list[str]:
    lines = []
    for name, classes in found.likeliest.items():
        said = ", ".join(f"{NAMES.get(k, k)} {p:.2f}" for k, p in classes.items())
        lines.append(f"{name:14}{said}")
    lines += ["", "correlation of the maps of the two photographs"]
    lines += [f"{method:14}{alike(maps):6.3f}" for method, maps in found.view.maps.items()]
    return lines


def main(folder: Path, step: int = STEP) -> Findings:
    found = measure(step)
    maps = {method: smaller(full) for method, full in found.view.maps.items()}
    drawn = replace(found.view, images=smaller(found.view.images), maps=maps)
    publish("photographs", lambda: saliency.draw(drawn), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
