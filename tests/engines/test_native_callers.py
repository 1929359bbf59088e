"""Signals, threads and processes that call the native engine."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import byhand
from byhand import engines
from byhand.layers import Dense, Flatten, Sequential
from byhand.losses import BinaryCrossEntropyWithLogits
from byhand.optimizers import SGD

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

from .native_programs import EXAMPLES, T, X, assert_same, program

TIMES = 300


SETTING = """
import faulthandler, os, signal, sys, threading, time
import numpy as np
from byhand import engines
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD

model = mlp([784, 100, 10]).initialize(0, np.float32)
p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.0), engine="native")
x, t = np.ones((1000, 784), np.float32), np.zeros(1000, np.int64)
expected = p.predict(x)
# Whoever starts the tests in the background may have let SIGINT be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A call that is not interrupted, or never comes back, is given up after so many seconds.
faulthandler.dump_traceback_later(10, exit=True)

def train(steps):
    return p.train(x, t, np.arange(steps) % 1000, 1, 0, np.zeros(steps))

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
"""


def run(script: str) -> str:
    """What a script prints in a process of its own, which may hang or be killed."""
    source = str(Path(byhand.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", SETTING + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.strip()


def test_ctrl_c_interrupts_a_call_that_would_take_minutes() -> None:
    script = """
    threading.Timer(0.3, ctrl_c).start()
    try:
        train(5_000_000)
    except KeyboardInterrupt:
        print("interrupted", p.evaluate(x, t).accuracy is not None, len(train(3)))
    """
    assert run(script) == "interrupted True 3"


def test_ctrl_c_is_heard_during_an_evaluation() -> None:
    """Each time that it is pressed, and not only once at the end; the third time interrupts."""
    script = """
    model = mlp([784, 1000, 1000, 10]).initialize(0, np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.0), engine="native", threads=1)
    x, t = np.ones((20_000, 784), np.float32), np.zeros(20_000, np.int64)
    p.evaluate(x[:10], t[:10])
    heard = []

    def handler(number, frame):
        heard.append(number)
        if len(heard) == 3:
            raise KeyboardInterrupt

    def press():
        for k in range(3):
            ctrl_c()
            while len(heard) == k:
                time.sleep(0.001)

    signal.signal(signal.SIGINT, handler)
    threading.Timer(0.3, press).start()
    try:
        p.evaluate(x, t)
    except KeyboardInterrupt:
        print("interrupted", p.evaluate(x[:10], t[:10]).accuracy is not None)
    """
    assert run(script) == "interrupted True"


def test_other_threads_run_during_a_call() -> None:
    """The one that ends it counts to a hundred first, and has to be let in for every number."""
    script = """
    counted = []

    def count():
        time.sleep(0.3)
        for k in range(100):
            counted.append(k)
            time.sleep(0.0001)
        ctrl_c()

    threading.Thread(target=count).start()
    try:
        train(5_000_000)
    except KeyboardInterrupt:
        print(len(counted))
    """
    assert run(script) == "100"


def test_a_signal_handler_may_ask_the_program_itself() -> None:
    """It runs in the middle of a call, in the thread that made the call."""
    script = """
    def handler(number, frame):
        print(len(p.parameters()), len(p.gradients(x, t, 0)[1]), np.isfinite(p.predict(x)).all())
        p.set_parameters(p.parameters())
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    threading.Timer(0.3, ctrl_c).start()
    try:
        train(5_000_000)
    except KeyboardInterrupt:
        print("interrupted")
    """
    assert run(script) == "4 4 True\ninterrupted"


def test_another_thread_may_ask_a_program_that_is_training() -> None:
    """It waits for its turn, and does not keep the training from its own."""
    script = """
    trained = threading.Thread(target=train, args=(20_000,))
    trained.start()
    time.sleep(0.05)
    print(len(p.parameters()), len(p.optimizer_state()), len(p.gradients(x, t)[1]))
    p.set_parameters(p.parameters())
    print(np.array_equal(p.predict(x), expected), len(p.activations(x)))
    trained.join()
    print("done")
    """
    assert run(script) == "4 0 4\nTrue 4\ndone"


def test_a_child_process_computes_on_its_own() -> None:
    """After a fork the other threads are in the parent only."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    script = """
    model = mlp([784, 300, 200, 10]).initialize(0, np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.0), engine="native", threads=2)
    expected = p.predict(x)
    child = os.fork()
    if child == 0:
        same = np.array_equal(p.predict(x), expected)
        del p
        os._exit(0 if same else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run(script) == "0"


def together(*calls: Callable[[], object]) -> None:
    """Make these calls so many times, each in a thread of its own."""
    errors: list[BaseException] = []

    def again(call: Callable[[], object]) -> None:
        try:
            for _ in range(TIMES):
                call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=again, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_threads_ask_the_same_program() -> None:
    """Neither is given what the other asked for."""
    p = program(sizes=(6, 50, 3))
    cases = [(X, T), (10 * X.reshape(EXAMPLES, 6), T), (X[:7], T[:7])]
    expected = [(p.gradients(*case), p.evaluate(*case), p.activations(case[0])) for case in cases]

    def ask(k: int) -> None:
        objective, gradients = p.gradients(*cases[k])
        assert objective == expected[k][0][0]
        assert_same(gradients, expected[k][0][1])
        assert p.evaluate(*cases[k]) == expected[k][1]
        assert_same(p.activations(cases[k][0]), expected[k][2])

    together(*(lambda k=k: ask(k) for k in range(len(cases))))


def test_two_threads_train_the_same_program() -> None:
    """No step is lost. With one weight and no error but in its bias, each moves it by the same."""
    p = engines.compile(
        Sequential(Flatten(), Dense(1, 1)).initialize(0),
        BinaryCrossEntropyWithLogits(),
        SGD(1.0),
        engine="native",
    )
    p.set_parameters({"dense1.W": np.zeros((1, 1)), "dense1.b": np.full(1, 1e6)})
    shapes = [(1,), (1, 1), ()]

    def step(shape: tuple[int, ...]) -> None:
        p.train(np.zeros((1, *shape)), np.zeros((1, 1)), np.arange(1), 1, 0, [1.0])

    together(*(lambda shape=shape: step(shape) for shape in shapes))
    assert p.parameters()["dense1.b"].item() == 1e6 - TIMES * len(shapes)


def test_what_another_thread_does_to_an_order_in_use() -> None:
    """Labels and order are where C++ writes and reads: they are its own copies."""
    script = """
    steps = 20_000
    order, labels = np.arange(steps) % 1000, t.copy()

    def spoil():
        time.sleep(0.05)
        order[:], labels[:] = 10**12, 10**12

    threading.Thread(target=spoil).start()
    print(len(p.train(x, labels, order, 1, 0, np.zeros(steps))))
    """
    assert run(script) == "20000"
