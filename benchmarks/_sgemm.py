"""How fast this machine multiplies float32 matrices: the largest rate of Eigen, NumPy's BLAS and
PyTorch, over square products and products with the shapes of a batch in a layer.

    python benchmarks/_sgemm.py

That is the best of several tries. A machine does not always run at its best, so the shares that
other benchmarks print are of the rate right after each measurement: the fastest library's, at the
shape at which it was fastest, in the median of a tenth of a second.
"""

from __future__ import annotations

import math
import statistics
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
SECONDS, PACE_SECONDS = 0.15, 0.1
TRIES = 3


class Products:
    """One library with its number of threads; `shape` is that of the yardstick."""

    def __init__(self, library: str, threads: int, shape: Sequence[int] = SHAPES[0]) -> None:
        self.multiply = _multiplier(library, threads)
        self.shape = shape
        self.product = self._product(shape)

    def rate(self, shape: Sequence[int]) -> float:
        """The best rate of one product, in FLOP/s."""
        return 2 * math.prod(shape) / min(_times(self._product(shape), SECONDS))

    def pace(self) -> float:
        """The rate just now, in FLOP/s."""
        return 2 * math.prod(self.shape) / statistics.median(_times(self.product, PACE_SECONDS))

    def _product(self, shape: Sequence[int]) -> Callable[[], Any]:
        n, k, m = shape
        rng = np.random.default_rng(0)
        a = rng.standard_normal((n, k), np.float32)
        b = rng.standard_normal((k, m), np.float32)
        product = self.multiply(a, b)
        product()
        return product


def _times(product: Callable[[], Any], seconds: float) -> list[float]:
    times: list[float] = []
    while len(times) < TRIES or sum(times) < seconds:
        began = time.perf_counter()
        product()
        times.append(time.perf_counter() - began)
    return times


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
    """The best rate in FLOP/s with so many threads, and that of each library or why it has none.

    fastest     the library and the shape of the best rate, for a yardstick
    """

    threads: int
    best: float
    by_library: dict[str, float | str]
    fastest: tuple[str, Sequence[int]] = (LIBRARIES[1], SHAPES[0])

    def yardstick(self) -> Worker:
        """A process that tells the machine's pace with so many threads."""
        library, shape = self.fastest
        argument = {"library": library, "threads": self.threads, "shape": shape}
        return Worker(__file__, argument, self.threads)

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
    fastest = max_rate = None
    for library in LIBRARIES:
        worker = Worker(__file__, {"library": library, "threads": threads}, threads)
        try:
            rate, shape = max((worker.ask("rate", shape), shape) for shape in SHAPES)
            found[library] = rate
            if max_rate is None or rate > max_rate:
                fastest, max_rate = (library, shape), rate
        except WorkerError as error:
            found[library] = str(error)
        finally:
            worker.close()
    if fastest is None:
        return Rate(threads, math.nan, found)
    return Rate(threads, _best(found), found, fastest)


def _best(found: dict[str, float | str]) -> float:
    return max((rate for rate in found.values() if isinstance(rate, float)), default=math.nan)


if __name__ == "__main__":
    if is_worker():
        serve(lambda argument: Products(**argument))
    else:
        for count in (1, 2):
            print(f"{Path(__file__).name}: {measure_rate(count)}")
