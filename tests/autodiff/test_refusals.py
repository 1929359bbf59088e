"""What the tape cannot follow is refused by name, with the line and the way out."""

from __future__ import annotations

import math
import types
from typing import Any

import numpy as np
import pytest

import byhand
from byhand import autodiff
from byhand.errors import DTypeError, InputError

X = np.random.default_rng(0).uniform(1, 2, (3, 3))
PLAIN = np.zeros(3)

HISTORY = (
    "that has no history; leave float() out, take np.exp for math.exp, and make arrays with "
    "np.zeros inside of the function, or use byhand.finite_differences"
)
NO_RULE = "the tape has no rule for it; "
MEASURE = "use byhand.finite_differences"
HOLD = (
    "that can't hold a traced value; make arrays with np.zeros, and np.array from lists, inside "
    "of the function, or use byhand.finite_differences"
)


def write_an_element(x: Any) -> Any:
    PLAIN[0] = x[0, 0]


def write_a_slice(x: Any) -> Any:
    PLAIN[:2] = x[0, :2]


def add_in_place(x: Any) -> Any:
    plain = PLAIN
    plain += x[0]


CASES: list[tuple[Any, str, str]] = [
    (
        lambda x: np.linalg.svd(x)[1].sum(),
        "np.linalg.svd",
        f"{NO_RULE}np.linalg.norm, inv, solve and det are followed, or {MEASURE}",
    ),
    (lambda x: np.abs(np.fft.fft(x)).sum(), "np.fft.fft", NO_RULE + MEASURE),
    (
        lambda x: np.percentile(x, 3),
        "np.percentile",
        f"{NO_RULE}np.sort and an index are followed, or {MEASURE}",
    ),
    (
        lambda x: np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8)),
        "np.as_strided",
        f"{NO_RULE}np.lib.stride_tricks.sliding_window_view is followed, or {MEASURE}",
    ),
    (
        lambda x: np.c_[x, x],
        "np.c_ or np.r_",
        f"{NO_RULE}np.column_stack and np.concatenate are followed, or {MEASURE}",
    ),
    (
        lambda x: np.sum(np.vectorize(abs)(x)),
        "np.vectorize",
        f"{NO_RULE}write the expression for whole arrays, or {MEASURE}",
    ),
    (
        lambda x: np.multiply.at(x, [0], 2.0),
        "np.multiply.at",
        f"{NO_RULE}np.add.at is followed, or {MEASURE}",
    ),
    (lambda x: np.add.reduceat(x, [0]), "np.add.reduceat", NO_RULE + MEASURE),
    (lambda x: np.ldexp(x, 2), "np.ldexp", NO_RULE + MEASURE),
    (
        lambda x: np.einsum(x, [0, 1], [0]),
        "np.einsum with lists of axes",
        f"{NO_RULE}write the subscripts as a string, or {MEASURE}",
    ),
    (
        lambda x: np.linalg.norm(x, 2),
        "np.linalg.norm of a matrix with ord=2",
        f"{NO_RULE}ord=None is followed, or {MEASURE}",
    ),
    (
        lambda x: np.pad(x, 1, mode="mean"),
        "np.pad with mode='mean'",
        f"{NO_RULE}pad with mode='edge' or 'constant', or {MEASURE}",
    ),
    (lambda x: np.median(x, axis=(0, 1)), "np.median with several axes", NO_RULE + MEASURE),
    (
        lambda x: np.cross(x[:, :2], x[:, :2]),
        "np.cross of vectors that are not of 3 components",
        NO_RULE + MEASURE,
    ),
    (
        lambda x: x * 1j,
        "np.multiply",
        f"it gives complex128 here, and the tape holds real numbers; {MEASURE}",
    ),
    (
        lambda x: np.prod(x, 0, initial=2.0),
        "np.prod",
        f"with these arguments (got an unexpected keyword argument 'initial'); {MEASURE}",
    ),
    (lambda x: math.exp(x[0, 0]), "a conversion to a plain number", HISTORY),
    (lambda x: float(np.sum(x)), "a conversion to a plain number", HISTORY),
    (lambda x: int(np.sum(x)), "a conversion to a plain number", HISTORY),
    (write_an_element, "a conversion to a plain number", HISTORY),
    (write_a_slice, "an assignment or a conversion to a plain array", HOLD),
    (lambda x: np.float64(x[0, 0]), "an assignment or a conversion to a plain array", HOLD),
    (lambda x: np.exp([x[0, 0], 1.0]), "an assignment or a conversion to a plain array", HOLD),
    (
        add_in_place,
        "np.add into a plain array",
        "that can't hold a traced value; make it with np.zeros inside of the function, "
        f"or {MEASURE}",
    ),
    (
        lambda x: np.add.at(PLAIN, [0], x[0, 0]),
        "np.add.at into a plain array",
        "that can't hold a traced value; make it with np.zeros inside of the function, "
        f"or {MEASURE}",
    ),
    (
        lambda x: x.tolist(),
        "tolist()",
        f"a plain list has no history; keep the array, or use list(x), or {MEASURE}",
    ),
    (
        lambda x: x.tobytes(),
        "tobytes()",
        f"bytes have no history; keep the array, or {MEASURE}",
    ),
    (
        lambda x: x.view(int),
        "view(...) of another type",
        f"its bytes are read anew; use astype, or {MEASURE}",
    ),
    (
        lambda x: x.resize(9),
        "resize(...)",
        f"it changes the array's size in place; use np.reshape, or {MEASURE}",
    ),
    (
        lambda x: np.pad(x, 1, constant_values=x[0, 0]),
        "np.pad",
        f"with a traced value as an option; give a number, or {MEASURE}",
    ),
    (
        lambda x: np.max(x, initial=x[0, 0]),
        "np.max",
        f"with a traced value as an option; give a number, or {MEASURE}",
    ),
    (lambda x: x.strides, "the attribute strides of an array", NO_RULE + MEASURE),
    (lambda x: list(np.ndenumerate(x)), "np.ndenumerate", NO_RULE + MEASURE),
    (
        lambda x: np.linalg.norm([x[0, 0], 1.0]),
        "np.linalg.norm of a list",
        f"there are traced values in it; give np.array(list), or {MEASURE}",
    ),
]


@pytest.mark.parametrize(("f", "name", "rest"), CASES, ids=[name for _, name, _ in CASES])
def test_a_refusal_names_the_function_the_line_and_the_way_out(
    f: Any, name: str, rest: str
) -> None:
    with pytest.raises(autodiff.Unsupported) as caught:
        byhand.grad(f)(X)
    message = str(caught.value)
    begin = f"byhand.grad cannot follow {name} (line "
    assert message.startswith(begin)
    number, _, line = message.removeprefix(begin).partition(" of test_refusals.py: ")
    assert int(number) in range(f.__code__.co_firstlineno, f.__code__.co_firstlineno + 3)
    assert line.endswith(f"): {rest}")
    assert "\n" not in message
    assert isinstance(caught.value, InputError)


def test_the_line_is_quoted() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.fft.ifft(x))

    with pytest.raises(autodiff.Unsupported, match=r": return np\.sum\(np\.fft\.ifft\(x\)\)\): "):
        byhand.grad(f)(X)


def test_code_without_a_file_is_refused_without_a_quotation() -> None:
    namespace: dict[str, Any] = {"np": np}
    exec("def f(x):\n    return np.fft.fft(x)", namespace)
    with pytest.raises(
        autodiff.Unsupported, match=r"np\.fft\.fft \(line 2 of <string>\): the tape"
    ):
        byhand.grad(namespace["f"])(X)


def test_a_function_of_scipy_is_named_as_such() -> None:
    module = types.ModuleType("scipy.special")
    exec("import numpy as np\ndef softmax(x):\n    return np.asarray(x)", vars(module))
    with pytest.raises(autodiff.Unsupported) as caught:
        byhand.grad(lambda x: np.sum(module.softmax(x)))(X)
    begin, _, end = str(caught.value).partition(" (line ")
    assert begin == "byhand.grad cannot follow scipy's softmax"
    assert end.endswith(
        f": {NO_RULE}with e = np.exp(z - z.max()), take e / e.sum(axis=-1, keepdims=True), "
        f"or {MEASURE}"
    )


def test_a_plain_array_is_as_it_was() -> None:
    for f in (write_an_element, write_a_slice, add_in_place):
        with pytest.raises(autodiff.Unsupported):
            byhand.grad(f)(X)
    np.testing.assert_array_equal(PLAIN, 0)


def test_numpys_own_errors_stay_numpys() -> None:
    with pytest.raises(ValueError, match="matmul: Input operand 1 has a mismatch"):
        byhand.grad(lambda x: x @ np.ones(4))(X)
    with pytest.raises(np.exceptions.AxisError, match="axis 3 is out of bounds"):
        byhand.grad(lambda x: np.sum(x, 3))(X)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bogus'"):
        byhand.grad(lambda x: np.sum(x, bogus=3))(X)
    with pytest.raises(ValueError, match="plain words"):
        byhand.grad(lambda x: raise_value_error())(X)


def raise_value_error() -> None:
    raise ValueError("plain words")


def test_an_attribute_that_no_array_has() -> None:
    with pytest.raises(AttributeError, match="'Variable' object has no attribute 'shapes'"):
        _ = autodiff.Variable(X).shapes
    assert not hasattr(autodiff.Variable(X), "__array_interface__")


def test_a_variable_of_integers() -> None:
    with pytest.raises(DTypeError) as caught:
        autodiff.Variable(np.arange(3))
    assert str(caught.value) == (
        "a Variable needs floating-point numbers, found int64; write x.astype(float)"
    )
