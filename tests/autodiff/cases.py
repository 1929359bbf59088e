"""The table of test_functions.py: what the tape follows, in NumPy's words and in PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

sliding = np.lib.stride_tricks.sliding_window_view


@dataclass(frozen=True)
class Case:
    """f in NumPy's words, the same in PyTorch's (None: measure), the shapes and range of inputs."""

    name: str
    f: Callable[..., Any]
    peer: Callable[..., Any] | None
    shapes: tuple[tuple[int, ...], ...]
    low: float = -2.0
    high: float = 2.0


def case(
    name: str, f: Any, peer: Any, *shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0
) -> Any:
    return pytest.param(Case(name, f, peer, shapes, low, high), id=name)


def unary(names: str, low: float, high: float) -> list[Any]:
    """Functions of one argument that both libraries call the same."""
    return [
        case(name, getattr(np, name), getattr(torch, name, None), (3, 5), low=low, high=high)
        for name in names.split()
    ]


def binary(names: str, low: float, high: float) -> list[Any]:
    return [
        case(
            name + suffix, getattr(np, name), getattr(torch, name, None), *shapes,
            low=low, high=high,
        )
        for name in names.split()
        for suffix, shapes in {
            "": ((3, 5), (3, 5)),
            " broadcast": ((4, 1, 3), (5, 1)),
            " scalar": ((), (2, 3)),
        }.items()
    ]  # fmt: skip


def t_axis(function: Any, **options: Any) -> Any:
    return lambda x: function(x, **options)


S = (2, 3, 4)

CASES = [
    *unary("positive conjugate negative absolute fabs square exp exp2 expm1", -1.4, 1.4),
    *unary("sin cos tan arctan", -1.4, 1.4),
    *unary("sinh cosh tanh arcsinh deg2rad rad2deg radians degrees", -1.4, 1.4),
    *unary("sqrt cbrt reciprocal log log2 log10 log1p", 0.3, 3.0),
    *unary("arcsin arccos arctanh", -0.9, 0.9),
    *unary("arccosh", 1.1, 3.0),
    *binary("add subtract multiply maximum minimum fmax fmin hypot arctan2", -2.0, 2.0),
    *binary("logaddexp logaddexp2 copysign", -2.0, 2.0),
    *binary("divide power float_power", 0.4, 2.0),
    *binary("remainder fmod", 0.4, 5.0),
    case("power of a number", lambda x: x**3 + x**0 + x**2, None, (3, 2)),
    case("number to a power", lambda x: 2.0**x, None, (3, 2)),
    case("reflected", lambda x: 1 - x + 2 / x, lambda x: 1 - x + 2 / x, (3, 2), low=0.5),
    case("clip", lambda x: np.clip(x, -0.5, 1.0), lambda x: torch.clip(x, -0.5, 1.0), (4, 5)),
    case("clip low", lambda x: x.clip(min=0.1), lambda x: torch.clip(x, min=0.1), (4, 5)),
    case("clip by name", lambda x, z: np.clip(x, min=z), lambda x, z: torch.clip(x, min=z),
         (4, 5), (5,)),
    case("clip by arrays", np.clip, torch.clip, (4, 5), (5,), (4, 1)),
    case("where, for indices", lambda x: x[np.where(np.floor(x))], lambda x: x[x.floor() != 0],
         (3, 4)),
    case(
        "where", lambda x, y: np.where(x > y, x, 2 * y), lambda x, y: torch.where(x > y, x, 2 * y),
        (3, 4), (4,),
    ),
    case(
        "select", lambda x: np.select([x < -1, x > 1], [x**2, x**3], 1.5 * x),
        None, (4, 5),
    ),
    case("nan_to_num", np.nan_to_num, torch.nan_to_num, (3, 4)),
    case("masked ufunc", lambda x, y: np.divide(x, y, where=y > 0, out=np.zeros((3, 4))),
         lambda x, y: torch.where(y > 0, x / y, 0.0), (3, 4), (4,)),
    case("real", lambda x: np.real(x) * x.real, lambda x: x * x, (2, 3)),
    case("copy", np.copy, torch.clone, (2, 3)),
    case("astype", lambda x: x.astype(np.float32), lambda x: x.float(), (2, 3)),
    # reductions
    *[
        case(f"{name} {label}", t_axis(getattr(np, name), **n),
             t_axis(getattr(torch, name), **p), S)
        for name in ("sum", "mean")
        for label, n, p in [
            ("all", {}, {}),
            ("axis", {"axis": 1}, {"dim": 1}),
            ("last, kept", {"axis": -1, "keepdims": True}, {"dim": -1, "keepdim": True}),
            ("two axes", {"axis": (0, -1)}, {"dim": (0, -1)}),
        ]
    ],
    *[
        case(f"{name} {label}", t_axis(getattr(np, name), **n),
             t_axis(getattr(torch, peer), **p), S)
        for name, peer in (("max", "amax"), ("min", "amin"), ("amax", "amax"), ("amin", "amin"))
        for label, n, p in [
            ("all", {}, {}),
            ("axis", {"axis": 1}, {"dim": 1}),
            ("two axes, kept", {"axis": (0, 2), "keepdims": True},
             {"dim": (0, 2), "keepdim": True}),
        ]
    ],
    *[
        case(f"{name} {label}", t_axis(getattr(np, name), **n),
             t_axis(getattr(torch, name), **p), S)
        for name in ("var", "std")
        for label, n, p in [
            ("all", {}, {"unbiased": False}),
            ("axis", {"axis": 1, "ddof": 1}, {"dim": 1, "correction": 1}),
            ("two axes", {"axis": (0, 2), "keepdims": True},
             {"dim": (0, 2), "keepdim": True, "correction": 0}),
        ]
    ],
    case("max with initial", lambda x: np.max(x, axis=1, initial=0.5), None, (3, 4)),
    case("sum where", lambda x: np.sum(x, axis=1, where=x > 0), None, (3, 4)),
    case("mean where", lambda x: np.mean(x, where=np.eye(3, 4) < 1), None, (3, 4)),
    case("prod", np.prod, torch.prod, S),
    case("prod axis", lambda x: np.prod(x, axis=1), lambda x: torch.prod(x, 1), S),
    case("prod axes", lambda x: np.prod(x, axis=(0, 2), keepdims=True), None, S),
    case("prod with a zero", lambda x: np.prod(x * np.array([0.0, 1, 1]), axis=1), None, (4, 3)),
    case("cumsum", lambda x: np.cumsum(x, 1), lambda x: torch.cumsum(x, 1), S),
    case("cumsum flat", np.cumsum, lambda x: torch.cumsum(x.ravel(), 0), S),
    case("cumprod", lambda x: np.cumprod(x, 1), lambda x: torch.cumprod(x, 1), S),
    case("cumprod flat", np.cumprod, lambda x: torch.cumprod(x.ravel(), 0), (2, 3)),
    case("sort", lambda x: np.sort(x, axis=0), lambda x: torch.sort(x, 0)[0], (5, 3)),
    case("sort flat", lambda x: np.sort(x, axis=None), lambda x: torch.sort(x.ravel())[0], (5, 3)),
    case("median odd", lambda x: np.median(x, axis=0), lambda x: torch.median(x, 0)[0], (5, 3)),
    case("median even", lambda x: np.median(x, axis=1, keepdims=True), None, (3, 4)),
    case("median all", np.median, None, (3, 4)),
    case("average", lambda x: np.average(x, axis=1), lambda x: x.mean(1), (3, 4)),
    case("average by weights", lambda x, w: np.average(x, axis=1, weights=w), None, (3, 4), (4,),
         low=0.5),
    case("ptp", lambda x: np.ptp(x, axis=1), lambda x: x.amax(1) - x.amin(1), (3, 4)),
    case("nansum", lambda x: np.nansum(np.where(x > 0, x, np.nan), axis=1), None, (3, 4)),
    case("nanmean", lambda x: np.nanmean(np.where(x > -1, x, np.nan), axis=1), None, (3, 4)),
    # moving elements
    case("reshape", lambda x: np.reshape(x, (4, -1)), lambda x: x.reshape(4, -1), S),
    case("reshape order F", lambda x: np.reshape(x, (4, 6), order="F"), None, S),
    case("reshape method", lambda x: x.reshape(3, 8), lambda x: x.reshape(3, 8), S),
    case("ravel", np.ravel, torch.ravel, S),
    case("flatten", lambda x: x.flatten(), torch.flatten, S),
    case("transpose", np.transpose, lambda x: x.permute(2, 1, 0), S),
    case("transpose axes", lambda x: x.transpose(1, -1, 0), lambda x: x.permute(1, 2, 0), S),
    case("T", lambda x: x.T, lambda x: x.T, (2, 3)),
    case("matrix_transpose", np.matrix_transpose, lambda x: x.mT, S),
    case("swapaxes", lambda x: np.swapaxes(x, 0, 2), lambda x: x.swapaxes(0, 2), S),
    case("moveaxis", lambda x: np.moveaxis(x, 0, -1), lambda x: x.moveaxis(0, -1), S),
    case("rollaxis", lambda x: np.rollaxis(x, 2), lambda x: x.moveaxis(2, 0), S),
    case("expand_dims", lambda x: np.expand_dims(x, (0, 2)), lambda x: x[None, :, None], S),
    case("squeeze", lambda x: np.squeeze(x, 1), lambda x: x.squeeze(1), (3, 1, 4)),
    case("broadcast_to", lambda x: np.broadcast_to(x, (4, 2, 3)),
         lambda x: x.expand(4, 2, 3), (2, 1)),
    case("tile", lambda x: np.tile(x, (2, 1, 3)), lambda x: torch.tile(x, (2, 1, 3)), (2, 3)),
    case("repeat", lambda x: np.repeat(x, 3, axis=1), lambda x: x.repeat_interleave(3, 1), (2, 3)),
    case("repeat flat", lambda x: x.repeat(2), lambda x: x.repeat_interleave(2), (2, 3)),
    case("roll", lambda x: np.roll(x, 2, axis=1), lambda x: torch.roll(x, 2, 1), (3, 5)),
    case("flip", lambda x: np.flip(x, 1), lambda x: torch.flip(x, [1]), (3, 5)),
    case("fliplr", np.fliplr, torch.fliplr, (3, 5)),
    case("flipud", np.flipud, torch.flipud, (3, 5)),
    case("rot90", lambda x: np.rot90(x, 1, (1, 2)), lambda x: torch.rot90(x, 1, [1, 2]), S),
    case("rot90 twice", lambda x: np.rot90(x, 2), lambda x: torch.rot90(x, 2), (3, 5)),
    case("pad", lambda x: np.pad(x, ((1, 2), (0, 3))),
         lambda x: torch.nn.functional.pad(x, (0, 3, 1, 2)), (3, 4)),
    case("pad with a number", lambda x: np.pad(x, 1, "constant", constant_values=7),
         lambda x: torch.nn.functional.pad(x, (1, 1, 1, 1), value=7), (3, 4)),
    case("pad reflect", lambda x: np.pad(x, 2, "reflect"), None, (3, 4)),
    case("pad edge", lambda x: np.pad(x, (1, 2), mode="edge"), None, (4,)),
    case("delete", lambda x: np.delete(x, 1, axis=1), lambda x: x[:, [0, 2, 3]], (3, 4)),
    case("resize", lambda x: np.resize(x, (3, 5)), None, (2, 4)),
    case("tril", lambda x: np.tril(x, -1), lambda x: torch.tril(x, -1), S),
    case("triu", np.triu, torch.triu, S),
    case("diag of a vector", np.diag, torch.diag, (4,)),
    case("diag of a matrix", lambda x: np.diag(x, 1), lambda x: torch.diag(x, 1), (3, 4)),
    case("diagflat", np.diagflat, torch.diagflat, (2, 2)),
    case("diagonal", lambda x: np.diagonal(x, 0, 1, 2), lambda x: x.diagonal(0, 1, 2), (2, 3, 3)),
    case("trace", np.trace, torch.trace, (3, 4)),
    case("take", lambda x: np.take(x, [[0, 2], [2, 1]], axis=1),
         lambda x: x[:, torch.tensor([[0, 2], [2, 1]])], (3, 4)),
    case("take flat", lambda x: x.take([0, 5, 5]),
         lambda x: x.take(torch.tensor([0, 5, 5])), (2, 3)),
    case("take_along_axis", lambda x: np.take_along_axis(x, np.argsort(x, 1)[:, :2], 1),
         lambda x: torch.sort(x, 1)[0][:, :2], (3, 4)),
    case("compress", lambda x: np.compress([True, False, True], x, axis=1),
         lambda x: x[:, [0, 2]], (2, 4)),
    case("extract", lambda x: np.extract(x > 0, x), lambda x: x[x > 0], (3, 4)),
    case("sliding_window_view", lambda x: sliding(x, (2, 3)),
         lambda x: x.unfold(0, 2, 1).unfold(1, 3, 1), (4, 5)),
    case("apply_along_axis", lambda x: np.apply_along_axis(lambda z: np.exp(z) / z.sum(), 1, x),
         lambda x: x.exp() / x.sum(1, keepdim=True), S),
    case("apply_along_axis to numbers", lambda x: np.apply_along_axis(np.prod, 0, x),
         lambda x: x.prod(0), S),
    case("diff", lambda x: np.diff(x, 2, axis=0), lambda x: torch.diff(x, 2, 0), (5, 3)),
    # joining and cutting
    case("concatenate", lambda x, y: np.concatenate([x, y, x], axis=1),
         lambda x, y: torch.cat([x, y, x], 1), (2, 3), (2, 1)),
    case("concatenate flat", lambda x, y: np.concatenate((x, y), axis=None),
         lambda x, y: torch.cat([x.ravel(), y.ravel()]), (2, 3), (4,)),
    case("concatenate with a constant", lambda x: np.concatenate([np.ones((1, 3)), x]),
         lambda x: torch.cat([torch.ones(1, 3), x]), (2, 3)),
    case("stack", lambda x, y: np.stack([x, y], axis=1), lambda x, y: torch.stack([x, y], 1),
         (2, 3), (2, 3)),
    case("hstack", lambda x, y: np.hstack([x, y]),
         lambda x, y: torch.hstack([x, y]), (2, 3), (2, 1)),
    case("hstack vectors", lambda x, y: np.hstack([x, y]),
         lambda x, y: torch.hstack([x, y]), (3,), (2,)),
    case("vstack", lambda x, y: np.vstack([x, y]), lambda x, y: torch.vstack([x, y]), (3,), (2, 3)),
    case("dstack", lambda x, y: np.dstack([x, y]),
         lambda x, y: torch.dstack([x, y]), (2, 3), (2, 3)),
    case("column_stack", lambda x, y: np.column_stack([x, y]),
         lambda x, y: torch.column_stack([x, y]), (3,), (3, 2)),
    case("append", np.append,
         lambda x, y: torch.cat([x.ravel(), y]), (2, 3), (4,)),
    case("append axis", lambda x, y: np.append(x, y, axis=0), lambda x, y: torch.cat([x, y]),
         (2, 3), (1, 3)),
    case("array of numbers", lambda x: np.array([x[0], [x[1, 0], 2.0, x[1, 2]]]), None, (2, 3)),
    case("atleast_1d", np.atleast_1d, torch.atleast_1d, ()),
    case("atleast_2d", np.atleast_2d, torch.atleast_2d, (3,)),
    case("atleast_3d", np.atleast_3d, torch.atleast_3d, (3, 2)),
    case("split", lambda x: np.concatenate(np.split(x, 3, axis=1)[::-1], 1),
         lambda x: torch.cat(torch.tensor_split(x, 3, 1)[::-1], 1), (2, 6)),
    case("split at", lambda x: np.concatenate(np.split(x, [1, 3])[::-1]),
         lambda x: torch.cat(torch.tensor_split(x, (1, 3))[::-1]), (5, 2)),
    case("array_split", lambda x: np.concatenate(np.array_split(x, 3)[::-1]),
         lambda x: torch.cat(torch.tensor_split(x, 3)[::-1]), (5, 2)),
    case("hsplit", lambda x: np.hsplit(x, 2)[1], lambda x: torch.hsplit(x, 2)[1], (3, 4)),
    case("vsplit", lambda x: np.vsplit(x, 2)[1], lambda x: torch.vsplit(x, 2)[1], (4, 3)),
    case("unpacking", lambda x: np.multiply(*x), lambda x: x[0] * x[1], (2, 3)),
    # reading
    case("item", lambda x: x.item(0, 1) * x.item(4) + x[0, 0].item(),
         lambda x: x[0, 1] * x[1, 1] + x[0, 0], (2, 3)),
    case("view", lambda x: +x.view() * x.conj(), lambda x: x * x, (2, 3)),
    case("round", lambda x: x * np.round(x[0, 0], 1),
         lambda x: x * x[0, 0].detach().round(decimals=1), (2, 3)),
    case("an element", lambda x: x[1, -1], lambda x: x[1, -1], (2, 3)),
    case("a row", lambda x: x[1], lambda x: x[1], (2, 3)),
    case("a slice", lambda x: x[::2, None, 1:], lambda x: x[::2, None, 1:], (3, 4)),
    case("from the end", lambda x: x[::-1], lambda x: x.flip(0), (3, 4)),
    case("dots", lambda x: x[..., 0], lambda x: x[..., 0], S),
    case("rows, one twice", lambda x: x[[0, 2, 0]], lambda x: x[[0, 2, 0]], (3, 4)),
    case("chosen classes", lambda x: x[np.arange(3), [1, 1, 0]],
         lambda x: x[torch.arange(3), torch.tensor([1, 1, 0])], (3, 4)),
    case("mask", lambda x: x[x > 0], lambda x: x[x > 0], (3, 4)),
    case("mask of rows", lambda x: x[np.array([True, False, True])], lambda x: x[[0, 2]], (3, 4)),
    # linear algebra
    *[
        case(f"{name} {a} {b}", getattr(np, name), torch.matmul, a, b)
        for name in ("matmul", "dot")
        for a, b in [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), (S, (4,))]
    ],
    case("matmul of stacks", np.matmul, torch.matmul, (5, 1, 2, 3), (4, 3, 2)),
    case("matmul vector by stack", np.matmul, torch.matmul, (3,), (4, 3, 2)),
    case("dot of stacks", np.dot, lambda a, b: torch.tensordot(a, b, ([2], [1])), S, (5, 4, 2)),
    case("dot with a number", lambda x, a: x.dot(a), lambda x, a: x * a, (2, 3), ()),
    case("multi_dot", lambda a, b, c: np.linalg.multi_dot([a, b, c]),
         lambda a, b, c: torch.linalg.multi_dot([a, b, c]), (2, 3), (3, 4), (4, 2)),
    *[
        case(f"convolve {mode} {a} {b}", lambda a, b, mode=mode: np.convolve(a, b, mode),
             None, a, b)
        for mode in ("full", "same", "valid")
        for a, b in [((7,), (3,)), ((4,), (6,)), ((5,), (4,))]
    ],
    case("vdot", np.vdot, lambda a, b: (a * b).sum(), (2, 3), (2, 3)),
    case("inner", np.inner, torch.inner, (2, 3), (4, 3)),
    case("inner with a number", np.inner, lambda x, a: x * a, (2, 3), ()),
    case("outer", np.outer, torch.outer, (3,), (4,)),
    case("kron", np.kron, torch.kron, (2, 3), (4, 2)),
    case("kron of other ranks", np.kron, torch.kron, (3,), (4, 2)),
    case("cross", np.cross, torch.linalg.cross, (4, 3), (4, 3)),
    case("tensordot", lambda a, b: np.tensordot(a, b, 2), lambda a, b: torch.tensordot(a, b, 2),
         (5, 3, 2), (3, 2, 4)),
    case("tensordot axes", lambda a, b: np.tensordot(a, b, ([2, 0], [0, 3])),
         lambda a, b: torch.tensordot(a, b, ([2, 0], [0, 3])), (2, 3, 4), (4, 5, 3, 2)),
    *[
        case(f"einsum {text}", lambda *x, text=text: np.einsum(text, *x),
             lambda *x, text=text: torch.einsum(text, *x), *shapes)
        for text, shapes in {
            "ij,jk->ik": ((2, 3), (3, 4)),
            "ij,jk": ((2, 3), (3, 4)),
            "bij,bkj->bik": ((2, 3, 4), (2, 5, 4)),
            "ij->": ((2, 3),),
            "ij->j": ((2, 3),),
            "ij->ji": ((2, 3),),
            "ii->i": ((3, 3),),
            "ii": ((3, 3),),
            "i,ij,j->": ((2,), (2, 3), (3,)),
            "...ij,...jk->...ik": ((5, 2, 3), (4, 5, 3, 2)),
            "...i,i": ((2, 4, 3), (3,)),
            "ijk,lk->il": ((2, 3, 4), (5, 4)),
        }.items()
    ],
    case("einsum size 1 stretched", lambda a, b: np.einsum("ij,ij->i", a, b), None, (2, 1), (2, 3)),
    case("norm", np.linalg.norm, torch.linalg.norm, (2, 3)),
    case("norm axis", lambda x: np.linalg.norm(x, axis=1, keepdims=True),
         lambda x: torch.linalg.norm(x, dim=1, keepdim=True), (2, 3)),
    case("norm 1", lambda x: np.linalg.norm(x, 1), lambda x: torch.linalg.norm(x, 1), (4,)),
    case("norm 3", lambda x: np.linalg.norm(x, 3, axis=0),
         lambda x: torch.linalg.norm(x, 3, dim=0), (4, 2)),
    case("norm inf", lambda x: np.linalg.norm(x, np.inf),
         lambda x: torch.linalg.norm(x, torch.inf), (4,)),
    case("norm -inf", lambda x: np.linalg.norm(x, -np.inf),
         lambda x: torch.linalg.norm(x, -torch.inf), (4,)),
    case("inv", np.linalg.inv, torch.linalg.inv, (2, 3, 3)),
    case("solve", np.linalg.solve, torch.linalg.solve, (3, 3), (3, 2)),
    case("solve vector", np.linalg.solve, torch.linalg.solve, (3, 3), (3,)),
    case("solve stack", np.linalg.solve, torch.linalg.solve, (4, 3, 3), (4, 3, 2)),
    case("det", np.linalg.det, torch.linalg.det, (2, 3, 3)),
    case("slogdet", lambda x: np.linalg.slogdet(x).logabsdet,
         lambda x: torch.linalg.slogdet(x).logabsdet, (2, 3, 3)),
    # lists of numbers in place of arrays
    case("multiply with a list", lambda x: [1.0, 2.0, 3.0] * x, None, (2, 3)),
    case("power with a list", lambda x: x ** [0, 1, 2], None, (2, 3)),
    case("list of variables", lambda x: np.exp(x[0]) + np.maximum([x[0, 0], 1.0, 2.0], x[1]),
         None, (2, 3)),
    case("matmul with a list", lambda x: [1.0, 2.0] @ x, None, (2, 3)),
    case("dot with a list of variables", lambda x: np.dot(x, [x[0, 0], 1.0, x[1, 1]]), None,
         (2, 3)),
    case("tensordot with a list", lambda x: np.tensordot([1.0, 2.0], x, 1), None, (2, 3)),
    case("kron with a list", lambda x: np.kron([1.0, 2.0], x), None, (3,)),
    case("average by a list", lambda x: np.average(x, 1, weights=[1.0, 2.0, 3.0]), None, (2, 3)),
    case("var in float64", lambda x: np.var(x, axis=0, dtype=np.float64), None, (4, 3)),
    # methods of ufuncs
    case("add.reduce", np.add.reduce, lambda x: x.sum(0), S),
    case("add.reduce axis", lambda x: np.add.reduce(x, axis=1, keepdims=True),
         lambda x: x.sum(1, keepdim=True), S),
    case("multiply.reduce", np.multiply.reduce, lambda x: x.prod(0), S),
    case("maximum.reduce", lambda x: np.maximum.reduce(x, axis=1), lambda x: x.amax(1), S),
    case("minimum.reduce", lambda x: np.minimum.reduce(x, axis=None), lambda x: x.amin(), S),
    case("add.accumulate", np.add.accumulate, lambda x: x.cumsum(0), S),
    case("multiply.accumulate", np.multiply.accumulate, lambda x: x.cumprod(0), S),
    case("add.outer", np.add.outer, lambda a, b: a[:, :, None] + b, (2, 3), (4,)),
    case("subtract.outer", np.subtract.outer, lambda a, b: a[:, None] - b, (3,), (4,)),
    case("multiply.outer", np.multiply.outer, torch.outer, (3,), (4,)),
]  # fmt: skip
