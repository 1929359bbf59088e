"""Code that does not come to an end is ended."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable

import pytest

from byhand.doctor.deadline import Late, left, limit


def endless() -> None:
    while True:
        pass


def stubborn() -> None:
    while True:
        with contextlib.suppress(Exception):
            endless()


def careless() -> None:
    with contextlib.suppress(BaseException):
        endless()
    endless()


class Lingering:
    def __del__(self) -> None:
        endless()


def in_a_destructor() -> None:
    """Where Python catches whatever is raised, and says so."""
    Lingering()
    endless()


def in_a_thread(task: Callable[[], None]) -> None:
    """Run it outside of the main thread, where no signal is handled."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            task()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def here(task: Callable[[], None]) -> None:
    task()


@pytest.fixture(params=[here, in_a_thread])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], None]], None]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("task", [endless, stubborn, careless, in_a_destructor])
def test_an_endless_loop_is_ended(run: Callable[..., None], task: Callable[[], None]) -> None:
    def limited() -> None:
        with limit(0.05):
            task()

    with pytest.raises(Late, match=r"^not done within 0\.05 s$") as caught:
        run(limited)
    trace = caught.value.trace
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[:2] == ["limited", task.__name__]


def test_a_limit_within_a_limit_ends_what_is_its_own(run: Callable[..., None]) -> None:
    ended = []

    def nested() -> None:
        with limit(60):
            for _ in range(3):
                try:
                    with limit(0.02):
                        endless()
                except Late as late:
                    ended.append(late.seconds)

    run(nested)
    assert ended == pytest.approx([0.02] * 3)


def test_the_outer_limit_holds_within_the_inner(run: Callable[..., None]) -> None:
    def nested() -> None:
        with limit(0.02), limit(60):
            endless()

    with pytest.raises(Late) as caught:
        run(nested)
    assert caught.value.seconds == pytest.approx(0.02)


def test_what_ends_in_time_is_left_alone(run: Callable[..., None]) -> None:
    seen = []

    def quick() -> None:
        with limit(60), limit(30):
            seen.append(left())
        seen.append(left())

    run(quick)
    assert 0 < seen[0] <= 30
    assert seen[1] == math.inf


def test_an_error_goes_its_way(run: Callable[..., None]) -> None:
    def fails() -> None:
        with limit(60):
            raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        run(fails)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signal here")
def test_waiting_is_ended_too() -> None:
    with pytest.raises(Late), limit(0.05):
        time.sleep(60)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signal here")
def test_somebody_elses_alarm_rings_afterwards() -> None:
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Late), limit(0.05):
            endless()
        end = time.perf_counter() + 60
        while not rung and time.perf_counter() < end:
            pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung == [True]
