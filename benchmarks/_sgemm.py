"""How fast this machine multiplies float32 matrices: the largest rate of Eigen, NumPy's BLAS and
PyTorch, over square products and products with the shapes of a batch in a layer.

    python benchmarks/_sgemm.py

It is the yardstick of the other benchmarks, so it takes the best of several tries, not the median.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Worker, WorkerError, is_worker, serve

from byhand import engines
from byhand.errors import ByhandError

LIBRARIES = ("Eigen", "NumPy", "PyTorch")
SHAPES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (128, 784, 512), (128, 512, 512))
"""batch × in times in × out"""
SECONDS = 0.15
TRIES = 3


class Products:
    """One library with its number of threads."""

    def __init__(self, library: str, threads: int) -> None:
        self.multiply = _multiplier(library, threads)

    def rate(self, shape: Sequence[int]) -> float:
        """The best rate of one product, in FLOP/s."""
        n, k, m = shape
        rng = np.random.default_rng(0)
        a = rng.standard_normal((n, k), np.float32)
        b = rng.standard_normal((k, m), np.float32)
        product = self.multiply(a, b)
        product()
        times: list[float] = []
        while len(times) < TRIES or sum(times) < SECONDS:
            began = time.perf_counter()
            product()
            times.append(time.perf_counter() - began)
        return 2 * n * k * m / min(times)


def _multiplier(library: str, threads: int) -> Callable[[Any, Any], Callable[[], Any]]:
    """A function that turns two matrices into a product that is ready to be computed."""
    if library == "NumPy":

        def numpy(a: Any, b: Any) -> Callable[[], Any]:
            c = np.empty((len(a), b.shape[1]), np.float32)
            return lambda: np.matmul(a, b, out=c)

        return numpy
    if library == "Eigen":
        if reason := engines.available("native"):
            raise ByhandError(reason)
        from byhand.engines import _native

        return lambda a, b: lambda: _native.sgemm(a, b, threads)
    import torch

    torch.set_num_threads(threads)

    def pytorch(a: Any, b: Any) -> Callable[[], Any]:
        x, y = torch.from_numpy(a), torch.from_numpy(b)
        c = torch.empty(len(a), b.shape[1])
        return lambda: torch.mm(x, y, out=c)

    return pytorch


@dataclass(frozen=True)
class Rate:
    """The best rate in FLOP/s with so many threads, and that of each library or why it has none."""

    threads: int
    best: float
    by_library: dict[str, float | str]

    def __str__(self) -> str:
        parts = [
            f"{name} {found / 1e9:.1f}" if isinstance(found, float) else f"{name} none ({found})"
            for name, found in self.by_library.items()
        ]
        plural = "" if self.threads == 1 else "s"
        return (
            f"SGEMM with {self.threads} thread{plural}: {self.best / 1e9:.1f} GFLOP/s "
            f"({', '.join(parts)})"
        )


def measure_rate(threads: int) -> Rate:
    """The rate of each library, in a process of its own, one after the other."""
    found: dict[str, float | str] = {}
    for library in LIBRARIES:
        worker = Worker(__file__, {"library": library, "threads": threads}, threads)
        try:
            found[library] = max(worker.ask("rate", shape) for shape in SHAPES)
        except WorkerError as error:
            found[library] = str(error)
        finally:
            worker.close()
    return Rate(threads, _best(found), found)


def larger(first: Rate, second: Rate) -> Rate:
    """The larger of two measurements, library by library."""
    merged = dict(second.by_library)
    for name, found in first.by_library.items():
        other = merged[name]
        if isinstance(found, float):
            merged[name] = max(found, other) if isinstance(other, float) else found
    return Rate(first.threads, _best(merged), merged)


def _best(found: dict[str, float | str]) -> float:
    return max((rate for rate in found.values() if isinstance(rate, float)), default=math.nan)


if __name__ == "__main__":
    if is_worker():
        serve(lambda argument: Products(**argument))
    else:
        for count in (1, 2):
            print(f"{Path(__file__).name}: {measure_rate(count)}")
