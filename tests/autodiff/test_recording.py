"""recording(): NumPy's array makers are replaced for a while, in one thread, and put back."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from byhand import autodiff
from byhand.autodiff import Variable, recording

x = np.random.default_rng(0).standard_normal((2, 3))


def attributes() -> dict[str, Any]:
    return {name: getattr(np, name) for name in dir(np)}


MAKERS = {
    "zeros": lambda: np.zeros((2, 3)),
    "ones": lambda: np.ones(3, dtype=np.float32),
    "empty": lambda: np.empty((2,)),
    "full": lambda: np.full((2, 2), 1.5),
    "zeros_like": lambda: np.zeros_like(x),
    "ones_like": lambda: np.ones_like(x, dtype=np.float32),
    "empty_like": lambda: np.empty_like(x),
    "full_like": lambda: np.full_like(x, 2.0),
    "array": lambda: np.array([1.0, 2.0]),
    "array of an array": lambda: np.array(x),
    "asarray": lambda: np.asarray([1.0, 2.0]),
    "copy": lambda: np.copy(x),
    "eye": lambda: np.eye(3),
    "identity": lambda: np.identity(3),
    "arange": lambda: np.arange(0.0, 1.0, 0.25),
    "linspace": lambda: np.linspace(0, 1, 5),
    "tri": lambda: np.tri(3),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_new_array_is_a_variable_that_can_be_written(name: str) -> None:
    plain = MAKERS[name]()
    v = Variable(np.array(2.0))
    with recording():
        made = MAKERS[name]()
        assert type(made) is Variable
        assert made.dtype == plain.dtype
        if not name.startswith("empty"):
            np.testing.assert_array_equal(made.value, plain)
        made[0] = v
    assert isinstance(MAKERS[name](), np.ndarray)
    assert type(MAKERS[name]()) is np.ndarray
    assert autodiff.gradients(made)[v] == made[0].size


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros(3, int),
        lambda: np.zeros(3, dtype=bool),
        lambda: np.arange(3),
        lambda: np.array([1, 2]),
        lambda: np.ones_like(np.arange(3)),
        lambda: np.zeros_like(x, dtype=int),
        lambda: np.asarray(x),
        lambda: np.ascontiguousarray(x),
    ],
)
def test_integers_booleans_and_an_array_that_is_there_stay_plain(make: Any) -> None:
    with recording():
        assert type(make()) is np.ndarray


def test_arrays_of_variables() -> None:
    v = Variable(x)
    with recording():
        assert np.asarray(v) is v
        assert np.asarray(v, dtype=float) is v
        assert np.asarray(v, dtype=np.float32).dtype == np.float32
        copied = np.array(v)
        copied[0] = 0
        assert np.array(v, ndmin=3).shape == (1, 2, 3)
        assert np.array([v, v]).shape == (2, 2, 3)
        assert np.array([[v[0, 0], 1.0]]).shape == (1, 2)
        assert np.full(3, v[0, 1]).value.tolist() == [x[0, 1]] * 3
        assert np.sum([v[0, 0], v[1, 1]]).value == x[0, 0] + x[1, 1]
        assert np.zeros_like(v, dtype=int).dtype == int
    np.testing.assert_array_equal(v.value, x)


def test_numpy_is_as_before_also_after_an_error() -> None:
    before = attributes()
    compiled = vars(sys.modules["numpy.random.mtrand"])["np"]

    def fail() -> None:
        with recording(), recording():
            assert np.zeros is not before["zeros"]
            raise KeyError("of the user")

    with pytest.raises(KeyError, match="of the user"):
        fail()
    assert attributes() == before
    assert vars(sys.modules["numpy.random.mtrand"])["np"] is compiled is np


def test_recordings_nest() -> None:
    outer, inner = autodiff.Branches(), autodiff.Branches()
    v = Variable(x)
    with recording(outer):
        with recording(inner):
            np.maximum(v, 0)
        assert type(np.zeros(2)) is Variable
        np.abs(v)
    assert [branch.operation for branch in outer] == ["maximum", "absolute"]
    assert [branch.operation for branch in inner] == ["maximum"]


def test_other_threads_do_not_notice() -> None:
    seen: list[Any] = []
    with recording():
        thread = threading.Thread(target=lambda: seen.append(np.zeros(3)))
        thread.start()
        thread.join()
    assert type(seen[0]) is np.ndarray


def test_two_threads_record_at_once() -> None:
    barrier = threading.Barrier(2)
    answers: list[Any] = [None, None]

    def work(i: int) -> None:
        v = Variable(np.array([1.0, 2.0]))
        with recording():
            barrier.wait()
            h = np.zeros(2)
            h[i] = v[i] ** 2
            barrier.wait()
        answers[i] = autodiff.gradients(h)[v].tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[2.0, 0.0], [0.0, 4.0]]
    assert np.zeros.__name__ == "zeros"
    assert type(np.zeros(1)) is np.ndarray


def test_random_numbers_are_the_same_plain_arrays() -> None:
    def draw() -> list[Any]:
        np.random.seed(3)
        rng = np.random.default_rng(3)
        return [
            np.random.rand(2, 3), np.random.randn(4), np.random.permutation(5),
            np.random.choice(4, 3, p=[0.1, 0.2, 0.3, 0.4]), np.random.uniform(0, 1, (2,)),
            rng.random((2, 3)), rng.standard_normal(4), rng.normal(0, [1.0, 2.0]),
            rng.integers(0, 9, 5), rng.choice([1.5, 2.5], 4), rng.multinomial(5, [0.5, 0.5]),
        ]  # fmt: skip

    plain = draw()
    with recording():
        drawn = draw()
    for one, other in zip(plain, drawn, strict=True):
        assert type(other) is np.ndarray
        np.testing.assert_array_equal(one, other)


def test_random_numbers_are_safe_where_numpy_random_is_not_yet_imported() -> None:
    """np.random is loaded when first used; loaded later, its compiled parts would see Variables."""
    code = (
        "import numpy as np\n"
        "from byhand import autodiff\n"
        "with autodiff.recording():\n"
        "    print(np.random.rand(2).shape, type(np.random.default_rng(0).random(3)).__name__)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "(2,) ndarray\n"


def test_importing_the_tape_imports_nothing_but_numpy() -> None:
    code = (
        "import sys, numpy\n"
        "before = set(sys.modules)\n"
        "import byhand.autodiff\n"
        "names = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - {'byhand', 'numpy'} - set(sys.stdlib_module_names)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


def test_a_variable_passes_for_what_it_holds() -> None:
    v = Variable(x)
    assert isinstance(v, np.ndarray)
    assert isinstance(v[0, 0], float)
    assert np.isscalar(v.sum())
    assert (v.shape, v.ndim, v.size, v.dtype, len(v)) == ((2, 3), 2, 6, np.dtype(float), 2)
    assert (np.shape(v), np.ndim(v), np.size(v)) == ((2, 3), 2, 6)
    assert f"{v[0, 0]:.3f}" == f"{x[0, 0]:.3f}"
    assert str(v) == str(x)
    assert repr(Variable(np.array([1.0, 2.0]))) == "Variable([1., 2.])"
    assert repr(v.node) == f"Node(leaf, shape=(2, 3), order={v.node.order})"
    assert x[1, 1] in v
    assert round(v[0, 0], 1).value == round(x[0, 0], 1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(v)
    with pytest.raises(ValueError, match="read-only"):
        v.value[0] = 1


def test_a_constant_made_inside_can_be_read_as_numbers() -> None:
    with recording():
        a = np.array([1.5, 2.0])
    assert float(a[0]) == 1.5
    assert int(a[1]) == 2
    assert np.asarray(a).tolist() == [1.5, 2.0]
    assert complex(a[0]) == 1.5
