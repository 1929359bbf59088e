"""Variable: what NumPy code holds in its hands while the tape runs.

A node on the tape never changes; a Variable is a handle that can be pointed at another one. So an
in-place write is followed functionally:

    h[t] = a     a new node setitem(h's node, t, a), and h now holds that one

A view knows the variable that it looks into, and the operation that makes it. When that variable
holds another node than at the last look, the view is made again from it (a write to h shows in
`row = h[t]`). A write to the view becomes a write to the variable at the view's positions: the
operation applied to the array of all positions, 0, 1, 2, ..., tells where they are. This is the
same for h[t], h.T, h.reshape(...) and views of views.

What NumPy copies is copied here: whether a value shares memory with the one it was made from is
asked of the value itself. A scalar, like x[0] or x.sum(), is immutable: `s += 1` makes a new one.
The views that NumPy makes read-only (broadcast_to, diagonal) are copies. Each write costs a copy of
the whole array: fine for a loop over time, dear for one over the pixels of large pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from byhand.autodiff import dispatch
from byhand.autodiff.plain import PLAIN
from byhand.autodiff.refusal import is_library, refuse
from byhand.autodiff.rules import COMPOSITES, PRIMITIVES, Rule
from byhand.autodiff.state import decided
from byhand.autodiff.tape import Array, Node
from byhand.errors import DTypeError


class View(NamedTuple):
    """What a variable shows of another one: rule(base, *args, **kwargs)."""

    base: Variable
    name: str
    rule: Rule
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def read(self, node: Node) -> Node:
        return dispatch.trace(self.name, self.rule, (node, *self.args), self.kwargs)[1]

    def of(self, array: Array) -> Array:
        """The same part of an array like the base's."""
        part: Array = self.rule(array, *self.args, **self.kwargs)[0]
        return part

    def write(self, part: Node) -> Node:
        """The base's new node, with `part` where the view looks; the base now holds it."""
        positions = np.arange(self.base.size).reshape(self.base.shape)
        arguments = (self.base, self.of(positions), part)
        self.base.hold(dispatch.trace("put", PRIMITIVES["put"], arguments, {})[1])
        return self.base.node


def _ufunc(ufunc: np.ufunc, reflected: bool = False) -> Callable[[Variable, Any], Any]:
    """An operator: other + self where `reflected`."""

    def operator(self: Variable, other: Any) -> Any:
        return ufunc(other, self) if reflected else ufunc(self, other)

    return operator


def _in_place(ufunc: np.ufunc) -> Callable[[Variable, Any], Any]:
    def operator(self: Variable, other: Any) -> Any:
        return ufunc(self, other) if self.is_scalar else ufunc(self, other, out=self)

    return operator


def _method(name: str) -> Callable[..., Any]:
    """x.NAME(...) is np.NAME(x, ...)."""

    def method(self: Variable, *args: Any, **kwargs: Any) -> Any:
        return getattr(np, name)(self, *args, **kwargs)

    method.__name__ = name
    return method


class Variable:
    """An array whose history is on the tape.

    Variable(array) is an input: gradients(output)[variable] is the derivative with respect to it.
    The array is copied. v.value is what it holds now, v.node the node on the tape.

    Raises      DTypeError for an array that is not of floating-point numbers.
    """

    __slots__ = ("_node", "_seen", "_view", "is_scalar")
    __hash__ = None  # type: ignore[assignment]  # as an array: == compares elements

    _node: Node
    _seen: Node | None
    _view: View | None
    is_scalar: bool

    def __init__(self, value: Any, traced: bool = True) -> None:
        array = np.array(value, order="K")
        if array.dtype.kind != "f":
            raise DTypeError(
                f"a Variable needs floating-point numbers, found {array.dtype}; "
                "write x.astype(float)"
            )
        self._node = Node(array, traced=traced)
        self._seen = self._view = None
        self.is_scalar = not isinstance(value, (np.ndarray, list, tuple))

    @classmethod
    def of(cls, node: Node, is_scalar: bool = False, view: View | None = None) -> Variable:
        """A new handle on a node that exists."""
        variable = cls.__new__(cls)
        variable._node, variable.is_scalar, variable._view = node, is_scalar, view
        variable._seen = view.base.node if view else None
        return variable

    @property
    def node(self) -> Node:
        if self._view is not None:
            now = self._view.base.node
            if now is not self._seen:
                self._node, self._seen = self._view.read(now), now
        return self._node

    def hold(self, node: Node) -> None:
        """Point at another node; where this is a view, the base changes with it.

        The node's numbers are laid out in memory as this array's are: that decides what later
        operations copy, and what they look into.
        """
        if self._view is not None:
            self._seen = self._view.write(node)
            node.value = self._view.of(self._seen.value)
        elif node.value.strides != self._node.value.strides:
            laid_out = np.empty_like(self._node.value)
            laid_out[...] = node.value
            laid_out.flags.writeable = False
            node.value = laid_out
        self._node = node

    # ------------------------------------------------------------------ as an array

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # Code that asks isinstance(x, np.ndarray) is to go the way that it goes without the tape.
        return type(self.node.value[()]) if self.is_scalar else np.ndarray

    value = property(lambda self: self.node.value, doc="the numbers, as a read-only array")
    shape = property(lambda self: self.node.value.shape)
    ndim = property(lambda self: self.node.value.ndim)
    size = property(lambda self: self.node.value.size)
    dtype = property(lambda self: self.node.value.dtype)
    itemsize = property(lambda self: self.node.value.itemsize)
    nbytes = property(lambda self: self.node.value.nbytes)
    T = property(np.transpose)
    mT = property(lambda self: np.swapaxes(self, -1, -2))
    real = property(lambda self: self)

    @property
    def flat(self) -> Any:
        """All elements in row order; a write goes to this array also where reshape would copy."""
        look = View(self, "ravel", PRIMITIVES["ravel"], (), {})
        return Variable.of(look.read(self.node), view=look)

    def __len__(self) -> int:
        return len(self.node.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return dispatch.call_primitive("getitem", PRIMITIVES["getitem"], (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        dispatch.assign(self, key, value)

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __repr__(self) -> str:
        return f"Variable({np.array2string(self.value, prefix='Variable(', separator=', ')})"

    def __str__(self) -> str:
        return str(self.value[()])

    def __format__(self, specification: str) -> str:
        return format(self.value[()], specification)

    # ------------------------------------------------------------------- as numbers

    def __bool__(self) -> bool:
        decided("bool", answer := bool(self.value))
        return answer

    def _number(self) -> Any:
        if self.node.traced:
            raise refuse(
                "a conversion to a plain number",
                "that has no history",
                "leave float() out, take np.exp for math.exp, "
                "and make arrays with np.zeros inside of the function",
            )
        return self.value

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __round__(self, digits: int | None = None) -> Any:
        return np.round(self, digits or 0)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.node.traced:
            self._refuse_array()
        return np.array(self.value, dtype)

    def _refuse_array(self) -> NoReturn:
        frame, function, library = sys._getframe(2), "", "np"
        while is_library(frame) and frame.f_back is not None:
            function = frame.f_code.co_qualname
            library = str(frame.f_globals["__name__"]).partition(".")[0].replace("numpy", "np")
            frame = frame.f_back
        name = function.removesuffix(".__call__").removesuffix(".__new__").removesuffix(".__init__")
        name = name.replace("AxisConcatenator.__getitem__", "c_ or np.r_")
        for known in (name, f"linalg.{name}"):
            if known in PRIMITIVES or known in COMPOSITES or known in PLAIN:
                why = "there are traced values in it"
                raise refuse(f"np.{known} of a list", why, "give np.array(list)")
        if name:
            raise refuse(f"{library}'s {name}" if library != "np" else f"np.{name}")
        raise refuse(
            "an assignment or a conversion to a plain array",
            "that can't hold a traced value",
            "make arrays with np.zeros, and np.array from lists, inside of the function",
        )

    def item(self, *index: int) -> Any:
        """One element, which stays on the tape."""
        return self.reshape(-1)[index[0] if index else 0] if len(index) < 2 else self[index]

    def tolist(self) -> NoReturn:
        raise refuse("tolist()", "a plain list has no history", "keep the array, or use list(x)")

    def tobytes(self) -> NoReturn:
        raise refuse("tobytes()", "bytes have no history", "keep the array")

    # --------------------------------------------------------------------- NumPy's

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return dispatch.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        module = (function.__module__ or "").removeprefix("numpy").removeprefix(".")
        name = f"{module}.{function.__name__}" if module else function.__name__
        return dispatch.call_function(name, function, args, dict(kwargs))

    __add__, __radd__, __iadd__ = _ufunc(np.add), _ufunc(np.add, True), _in_place(np.add)
    __sub__, __rsub__ = _ufunc(np.subtract), _ufunc(np.subtract, True)
    __isub__ = _in_place(np.subtract)
    __mul__, __rmul__ = _ufunc(np.multiply), _ufunc(np.multiply, True)
    __imul__ = _in_place(np.multiply)
    __truediv__, __rtruediv__ = _ufunc(np.divide), _ufunc(np.divide, True)
    __itruediv__ = _in_place(np.divide)
    __pow__, __rpow__, __ipow__ = _ufunc(np.power), _ufunc(np.power, True), _in_place(np.power)
    __matmul__, __rmatmul__ = _ufunc(np.matmul), _ufunc(np.matmul, True)
    __imatmul__ = _in_place(np.matmul)
    __mod__, __rmod__, __imod__ = _ufunc(np.mod), _ufunc(np.mod, True), _in_place(np.mod)
    __floordiv__, __rfloordiv__ = _ufunc(np.floor_divide), _ufunc(np.floor_divide, True)
    __lt__, __le__ = _ufunc(np.less), _ufunc(np.less_equal)
    __gt__, __ge__ = _ufunc(np.greater), _ufunc(np.greater_equal)
    __eq__ = _ufunc(np.equal)  # elementwise, as an array
    __ne__ = _ufunc(np.not_equal)

    def __neg__(self) -> Any:
        return np.negative(self)

    def __pos__(self) -> Any:
        return np.positive(self)

    def __abs__(self) -> Any:
        return np.absolute(self)

    dot, sum, mean, prod = _method("dot"), _method("sum"), _method("mean"), _method("prod")
    std, var, max, min = _method("std"), _method("var"), _method("max"), _method("min")
    argmax, argmin, argsort = _method("argmax"), _method("argmin"), _method("argsort")
    cumsum, cumprod, clip = _method("cumsum"), _method("cumprod"), _method("clip")
    ravel, squeeze, swapaxes = _method("ravel"), _method("squeeze"), _method("swapaxes")
    repeat, take, trace, diagonal = map(_method, ("repeat", "take", "trace", "diagonal"))
    any, all, nonzero, round = map(_method, ("any", "all", "nonzero", "round"))
    ptp, searchsorted, compress = map(_method, ("ptp", "searchsorted", "compress"))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def copy(self, order: Any = "C") -> Any:
        return np.copy(self, order)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return np.copy(self)

    def flatten(self, order: Any = "C") -> Any:
        return np.copy(np.ravel(self, order))

    def astype(self, dtype: Any, **options: Any) -> Any:
        if np.dtype(dtype).kind != "f":
            decided("astype", result := self.value.astype(dtype))
            return result
        return dispatch.call_primitive("astype", PRIMITIVES["astype"], (self, dtype), {})

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, **options: Any) -> None:
        self[...] = np.sort(self, axis)

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(np.ndarray, name) and not name.startswith("_"):
            raise refuse(f"the attribute {name} of an array")
        raise AttributeError(f"'Variable' object has no attribute {name!r}")

    def view(self, *kinds: Any) -> Any:
        if kinds:
            raise refuse("view(...) of another type", "its bytes are read anew", "use astype")
        return self[...]

    conj = conjugate = view

    def resize(self, *shape: Any, **options: Any) -> NoReturn:
        raise refuse("resize(...)", "it changes the array's size in place", "use np.reshape")
