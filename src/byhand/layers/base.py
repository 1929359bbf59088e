"""What every layer shares: a name, named axes, and errors that speak in the equation's symbols."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from byhand.errors import DTypeError, InputError, ShapeError

Array = NDArray[Any]
Gradients = dict[str, Array]
Shape = tuple[int, ...]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
ANY = "..."


class NotInitializedError(InputError):
    """A layer was used before its parameters were drawn."""


class Layer:
    """A function y = f(x; parameters) with its derivative written out by hand.

    forward(x) -> (y, cache)                 the cache is what backward needs, and nothing else
    backward(dy, cache) -> (dx, gradients)   dy is ∂L/∂y; gradients has one entry per parameter

    Both are pure: beside the parameters a layer keeps no state, so the same call gives the same
    answer, and one layer can be called at every time step.
    """

    equation: ClassVar[str]
    """The forward equation, as error messages quote it."""
    axes: ClassVar[dict[str, tuple[str, ...]]]
    """The named axes of each symbol of the equation; "..." stands for any axes, or for none."""
    parameter_names: ClassVar[tuple[str, ...]] = ()
    weights: ClassVar[tuple[str, ...]] = ()
    """The parameters that a regularizer may touch: weights, never biases."""
    statistics: ClassVar[tuple[str, ...]] = ()
    """The parameters that have no gradient: running averages of what training has seen. Such a
    layer's forward takes `training`, which is when it goes by the batch instead."""
    setting_names: ClassVar[tuple[str, ...]] = ()
    """The numbers, beside sizes, that the layer was made with."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self.sizes: dict[str, int] = {}
        """Sizes of the axes that the layer itself fixes, such as in = 784."""

    def forward(self, x: Array) -> tuple[Array, Any]:
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any) -> tuple[Array, Gradients]:
        raise NotImplementedError

    def initialize(
        self, seed: int | np.random.Generator = 0, dtype: DTypeLike = np.float64
    ) -> Layer:
        """Draw the parameters. A layer without parameters has nothing to draw."""
        return self

    def updated_statistics(self, cache: Any) -> dict[str, Array]:
        """The statistics after a forward pass in training that left this cache."""
        return {}

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of y for an x of this shape, both without the batch axis."""
        return input_shape

    @property
    def parameters(self) -> dict[str, Array]:
        """The arrays themselves, not copies, by the symbols of the equation."""
        return {symbol: getattr(self, symbol) for symbol in self.parameter_names}

    @property
    def settings(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in self.setting_names}

    def __getattr__(self, symbol: str) -> Any:
        if symbol in type(self).parameter_names:
            raise NotInitializedError(
                f"{self} has no {symbol} yet: draw the parameters first with initialize(seed)"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {symbol!r}")

    def __str__(self) -> str:
        kind = type(self).__name__
        return kind if self.name is None else f'{kind} "{self.name}"'

    def check(self, **arrays: Array) -> None:
        """Refuse arrays that do not fit the equation's axes or each other.

        A symbol with a d in front, such as dz, has the axes of the symbol itself. Sizes are bound
        by the layer's own sizes first, then by the arrays in the order given.

        Raises      ShapeError, DTypeError; the message names layer, symbol, axis, expected, found.
        """
        owner, dtype = self._owner_of_dtype()
        bound: dict[str, int | Shape] = dict(self.sizes)
        holder: dict[str, str] = {}
        for symbol, value in arrays.items():
            found = getattr(value, "dtype", None)
            if dtype is None:
                owner, dtype = symbol, found
            # None first: NumPy takes None for float64 where dtypes are compared.
            if found is None or found is not dtype or found not in FLOATS:
                self._refuse_dtype(symbol, value, owner, dtype)
            axes = self.axes[symbol.removeprefix("d")]
            shape: tuple[int | Shape, ...] = value.shape
            if ANY in axes:
                shape = _folded(value.shape, axes)
            if len(shape) != len(axes):
                raise self._wrong_rank(symbol, value, axes)
            for axis, size in zip(axes, shape, strict=True):
                if bound.setdefault(axis, size) != size:
                    raise self._wrong_size(symbol, value, axis, bound[axis], holder.get(axis))
                holder.setdefault(axis, symbol)

    def _owner_of_dtype(self) -> tuple[str, np.dtype[Any] | None]:
        for symbol in self.parameter_names:
            return symbol, getattr(self, symbol).dtype
        return "", None

    def _refuse_dtype(
        self, symbol: str, value: Array, owner: str, dtype: np.dtype[Any] | None
    ) -> None:
        """Raise, unless the two dtypes are equal floats that are not one and the same object."""
        found = getattr(value, "dtype", None)
        if found is None:
            kind = type(value).__name__
            raise DTypeError(
                f"{self}: {symbol} is a {kind}, expected a NumPy array ({self.equation}); "
                f"convert it with np.asarray({symbol}, dtype=np.{dtype or 'float64'})"
            )
        if dtype not in FLOATS:
            raise DTypeError(
                f"{self}: {symbol} is {found}, expected float32 or float64 ({self.equation}); "
                f"convert it with {symbol}.astype(np.float64)"
            )
        if found != dtype:
            raise DTypeError(
                f"{self}: {symbol} is {found}, {owner} is {dtype} ({self.equation}); "
                f"convert it with {symbol}.astype(np.{dtype})"
            )

    def _wrong_rank(self, symbol: str, value: Array, axes: tuple[str, ...]) -> ShapeError:
        hint = ""
        if "height" in axes:
            hint = _to_images(symbol, value)
        elif value.ndim > len(axes) and not symbol.startswith("d"):
            hint = "; put Flatten() before it"
        elif value.ndim == len(axes) - (2 if ANY in axes else 1):
            hint = f"; for a batch of one write {symbol}[None]"
        return ShapeError(
            f"{self}: {symbol} has shape {value.shape}, expected the axes "
            f"{symbol}[{', '.join(axes)}] ({self.equation}){hint}"
        )

    def _wrong_size(
        self, symbol: str, value: Array, axis: str, expected: int | Shape, holder: str | None
    ) -> ShapeError:
        axes = self.axes[symbol.removeprefix("d")]
        if axes == (ANY,):
            return ShapeError(
                f"{self}: {symbol} has shape {value.shape}, {holder} has shape {expected} "
                f"({self.equation})"
            )
        shape = _folded(value.shape, axes) if ANY in axes else value.shape
        found, hint = shape[axes.index(axis)], ""
        if holder is None:
            holder = next((p for p in self.parameter_names if axis in self.axes[p]), "the layer")
            verb = "expects"
            if ANY in axes and value.ndim > len(axes) - 1 and not symbol.startswith("d"):
                hint = "; put Flatten() before it"
        else:
            verb = "has"
        return ShapeError(
            f"{self}: {symbol} has {axis} = {found}, {holder} {verb} {axis} = {expected} "
            f"({self.equation}){hint}"
        )


def _folded(shape: Shape, axes: tuple[str, ...]) -> tuple[int | Shape, ...]:
    """The shape with the sizes that "..." stands for as one entry, where there are enough axes."""
    first, last = axes.index(ANY), len(axes) - axes.index(ANY) - 1
    if len(shape) < first + last:
        return shape
    end = len(shape) - last
    return (*shape[:first], shape[first:end], *shape[end:])


def _to_images(symbol: str, value: Array) -> str:
    """What makes images of an array that has too few axes for them."""
    if value.ndim == 3:
        return f"; for one image write {symbol}[None], for images of one channel {symbol}[:, None]"
    if value.ndim == 2:
        return f"; give rows their axes: {symbol}.reshape(len({symbol}), channels, height, width)"
    return ""
