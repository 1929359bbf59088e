"""How long somebody's code may run.

Every few milliseconds a signal looks at the clock and, when time is up, raises in whatever runs.
Where there is no such signal (on Windows, or outside of the main thread) another thread does it;
that one has to wait for a call into C, such as time.sleep, to return.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SECONDS = 8.5
"""For a whole check, the import of the file included: of the ten seconds that a user may wait the
others are for starting and for the report."""

_TICK = 0.01
_AGAIN = 0.2  # until it is raised once more, in case that a bare `except:` has caught it


class Late(Exception):
    """A limit was reached; `trace` leads to what ran then."""

    def __init__(self, seconds: float, trace: TracebackType | None) -> None:
        super().__init__(f"not done within {seconds:.1g} s")
        self.seconds = seconds
        self.trace = trace


class _TimeIsUp(BaseException):
    """Raised in what runs; no Exception, so that `except Exception:` does not keep it."""


class limit:
    """Interrupt what runs in the block after so many seconds, or when a limit around it is over.

    Raises      Late, at the end of the block whose limit it was
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        if not hasattr(_here, "clock"):
            _here.clock = _Clock()
        self.clock: _Clock = _here.clock
        around = self.clock.ends[-1] if self.clock.ends else math.inf
        began = time.perf_counter()
        self.end = min(began + self.seconds, around)
        self.seconds = self.end - began
        self.clock.ends.append(self.end)
        if len(self.clock.ends) == 1:
            self.stop = self.clock.start()

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clock.ends.pop()
        self.clock.quiet_until = 0.0
        if not self.clock.ends:
            self.stop()
        mine = not self.clock.ends or self.end < self.clock.ends[-1]
        if isinstance(error, _TimeIsUp) and mine:
            raise Late(self.seconds, trace) from None


def left() -> float:
    """Seconds until the nearest limit of this thread."""
    clock: _Clock | None = getattr(_here, "clock", None)
    return clock.ends[-1] - time.perf_counter() if clock and clock.ends else math.inf


_here = threading.local()


class _Clock:
    """The ends of a thread's limits, the innermost last, and what looks at them."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.quiet_until = 0.0

    def start(self) -> Callable[[], None]:
        """Begin to tick; returns what ends it."""
        main = threading.current_thread() is threading.main_thread()
        if hasattr(signal, "setitimer") and main:
            stop = self._by_signal()
        else:
            stop = self._by_thread(threading.get_ident())
        loud = sys.unraisablehook

        def quiet(lost: Any) -> None:
            # Raised in a destructor, say, which Python leaves with a message; it is raised again.
            if lost.exc_type is not _TimeIsUp:
                loud(lost)

        def end() -> None:
            stop()
            if sys.unraisablehook is quiet:
                sys.unraisablehook = loud

        sys.unraisablehook = quiet
        return end

    def _due(self, frame: FrameType | None) -> bool:
        """Whether to raise now; never amid a limit's own code, which has to come to its end."""
        now = time.perf_counter()
        if not self.ends or now < max(self.ends[-1], self.quiet_until):
            return False
        if frame is None or frame.f_code.co_filename == __file__:
            return False
        self.quiet_until = now + _AGAIN
        return True

    def _by_signal(self) -> Callable[[], None]:
        def tick(number: int, frame: FrameType | None) -> None:
            if self._due(frame):
                raise _TimeIsUp

        began = time.perf_counter()
        handler: Any = signal.signal(signal.SIGALRM, tick)
        delay, interval = signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)

        def stop() -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
            if delay:  # somebody else's alarm was set: no earlier than it was
                rest = max(delay - (time.perf_counter() - began), 1e-6)
                signal.setitimer(signal.ITIMER_REAL, rest, interval)

        return stop

    def _by_thread(self, thread: int) -> Callable[[], None]:
        over = threading.Event()
        name = ctypes.c_ulong(thread)
        throw = ctypes.pythonapi.PyThreadState_SetAsyncExc

        def watch() -> None:
            while not over.wait(_TICK):
                if self._due(sys._current_frames().get(thread)):
                    throw(name, ctypes.py_object(_TimeIsUp))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()

        def stop() -> None:
            over.set()
            # What was not raised yet is raised here. To take it back, with throw(name, None), would
            # let Python 3.11 hang where the thread is traced.
            with contextlib.suppress(_TimeIsUp):
                watcher.join()
                for _ in range(10):
                    pass

        return stop
