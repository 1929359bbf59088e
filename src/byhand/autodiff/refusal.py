"""What the tape cannot follow is refused by name, with the line it stands in and the way out."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import FrameType

from byhand.errors import InputError

# Code in these packages is not the user's: it is never named in an error, and gets plain arrays.
LIBRARIES = ("byhand.autodiff", "numpy", "scipy", "pandas", "sklearn", "torch", "matplotlib")
_MEASURE = "use byhand.finite_differences"
_ADVICE = {
    "linalg.svd": "np.linalg.norm, inv, solve and det are followed",
    "linalg.eigh": "np.linalg.norm, inv, solve and det are followed",
    "linalg.cholesky": "np.linalg.inv, solve and slogdet are followed",
    "linalg.pinv": "np.linalg.inv(A.T @ A) @ A.T is followed",
    "c_ or np.r_": "np.column_stack and np.concatenate are followed",
    "linalg.lstsq": "solve the normal equations: np.linalg.solve(A.T @ A, A.T @ b)",
    "linalg.matrix_power": "multiply with @ in a loop",
    "as_strided": "np.lib.stride_tricks.sliding_window_view is followed",
    "correlate": "np.lib.stride_tricks.sliding_window_view and a product are followed",
    "apply_over_axes": "give all axes at once, as in x.sum(axis=(0, 1))",
    "put": "write x[indices] = values",
    "place": "write x[mask] = values",
    "putmask": "write x[mask] = values",
    "put_along_axis": "write x[rows, indices] = values",
    "fill_diagonal": "write x[np.arange(n), np.arange(n)] = values",
    "piecewise": "np.where is followed",
    "interp": "np.where and arithmetic are followed",
    "block": "np.concatenate is followed",
    "percentile": "np.sort and an index are followed",
    "quantile": "np.sort and an index are followed",
    "cov": "centre x and multiply: (x - x.mean(axis=0)).T @ (x - x.mean(axis=0))",
    "multiply.at": "np.add.at is followed",
    "scipy's softmax": "with e = np.exp(z - z.max()), take e / e.sum(axis=-1, keepdims=True)",
    "scipy's log_softmax": "with z -= z.max(), take z - np.log(np.exp(z).sum(-1, keepdims=True))",
    "scipy's logsumexp": "np.log(np.sum(np.exp(z - m))) + m with m = z.max() is followed",
    "vectorize": "write the expression for whole arrays",
}


class Unsupported(InputError):
    """The tape met something whose derivative it does not know."""


def refuse(name: str, why: str = "the tape has no rule for it", advice: str = "") -> Unsupported:
    """The error for a function, method or conversion: to be raised by the caller."""
    way = advice or _ADVICE.get(name) or _ADVICE.get(name.removeprefix("np."), "")
    out = f"{way}, or {_MEASURE}" if way else _MEASURE
    return Unsupported(f"byhand.grad cannot follow {name}{where()}: {why}; {out}")


def where() -> str:
    """The user's line that is running, as " (line 12 of nets.py: u = f(x))"."""
    frame = sys._getframe(1)
    while is_library(frame) and frame.f_back is not None:
        frame = frame.f_back
    file = frame.f_code.co_filename
    line = linecache.getline(file, frame.f_lineno).strip()
    return f" (line {frame.f_lineno} of {Path(file).name}{': ' if line else ''}{line})"


def is_library(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return any(module == name or module.startswith(name + ".") for name in LIBRARIES)
