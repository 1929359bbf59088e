"""A tiny MNIST: 20 training and 6 test images, in the same files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from byhand.data import sources
from byhand.data.sources import Arrays

SHAPES = {
    "t10k-labels-idx1-ubyte": (6,),
    "train-labels-idx1-ubyte": (20,),
    "t10k-images-idx3-ubyte": (6, 28, 28),
    "train-images-idx3-ubyte": (20, 28, 28),
}


@pytest.fixture
def arrays(monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """What every source of the tiny data set decodes to."""
    monkeypatch.setattr(sources, "SHAPES", SHAPES)
    random = np.random.default_rng(0)

    def draw(shape: tuple[int, ...], below: int) -> sources.Bytes:
        return random.integers(0, below, shape, dtype=np.uint8)

    return Arrays(draw((20, 28, 28), 256), draw((20,), 10), draw((6, 28, 28), 256), draw((6,), 10))


@pytest.fixture
def write_idx(arrays: Arrays) -> Callable[..., None]:
    """Write the four idx files into a folder, packed or not."""

    def write(folder: Path, packed: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        for part, array in zip(parts, arrays, strict=True):
            axes = b"".join(length.to_bytes(4, "big") for length in array.shape)
            content = bytes([0, 0, 8, array.ndim]) + axes + array.tobytes()
            name = f"{part}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)

    return write
