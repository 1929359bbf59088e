"""What benchmarks share: contenders that take turns.

Each contender lives in a process of its own, so that its thread counts are set before any library
is loaded and its peak memory is its own. The processes wait on a pipe: only the one that was asked
works. In every round each contender is measured once, one after the other, and a ratio is the
median of the ratios within the rounds, so that a machine that slows down slows both sides of it.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byhand.errors import ByhandError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_LONGEST = 160
_QUIET = 0.5


class WorkerError(Exception):
    """A worker could not do what it was asked; the message is one line."""


class Worker:
    """A process that holds one task, made from `argument` by the script's `serve`."""

    def __init__(self, script: str | Path, argument: dict[str, Any], threads: int) -> None:
        environment = os.environ | dict.fromkeys(_THREADS, str(threads))
        # Otherwise torch.compile keeps a pool of processes.
        environment["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open until close()
        self._process = subprocess.Popen(
            [sys.executable, str(script), "--worker", json.dumps(argument)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=environment,
        )

    def ask(self, method: str, *arguments: Any) -> Any:
        """What the task's method returns.

        Raises      WorkerError where the method fails or the process ends.
        """
        answer = ""
        with suppress(BrokenPipeError):
            print(json.dumps([method, *arguments]), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        if not answer:
            raise WorkerError(self._last_words())
        found = json.loads(answer)
        if "error" in found:
            raise WorkerError(found["error"])
        return found["value"]

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        with suppress(BrokenPipeError), self._process:
            pass
        self._complaints.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._complaints.seek(0)
        lines = self._complaints.read().splitlines()
        return one_line(f"its process ended with {end}: {lines[-1] if lines else 'no message'}")


def serve(make: Callable[[dict[str, Any]], Any]) -> None:
    """The worker's side: make the task on the first question, then answer one after the other."""
    # Ctrl-C reaches the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = None
    for question in sys.stdin:
        method, *arguments = json.loads(question)
        try:
            if task is None:
                task = make(json.loads(sys.argv[2]))
            value = peak_memory() if method == "peak_memory" else getattr(task, method)(*arguments)
            answer = {"value": value}
        except ByhandError as error:
            answer = {"error": one_line(str(error))}
        except Exception as error:
            answer = {"error": one_line(f"{type(error).__name__}: {error}")}
        print(json.dumps(answer), file=answers, flush=True)


def is_worker() -> bool:
    """Whether this script was started by a `Worker`."""
    return sys.argv[1:2] == ["--worker"]


def busy() -> str | None:
    """A warning where other programs keep the machine at work, None where it is quiet."""
    load = os.getloadavg()[0]
    if load < _QUIET:
        return None
    return (
        f"the machine is not quiet (load average {load:.1f}, expected less than {_QUIET}): times "
        "will be too long, most of all those of PyTorch with 2 threads; wait and run again"
    )


def one_line(text: str) -> str:
    return textwrap.shorten(text, _LONGEST, placeholder=" …")


def peak_memory() -> float:
    """The largest resident set of this process so far, in MiB."""
    # A new process starts from its parent's peak, so the parent of workers has to stay small.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


@dataclass
class Contender:
    """One engine with its number of threads, and what was found out about it.

    yardstick   a worker whose `pace` tells how fast the machine is just now, with as many threads
    seconds     of one unit of work, by round
    paces       the yardstick's, each taken right after the measurement
    proof       numbers that every contender has to arrive at
    failure     why it has no result, in one line; empty where it has one
    """

    engine: str
    threads: int
    worker: Worker
    yardstick: Worker | None = None
    seconds: list[float] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)
    proof: list[float] = field(default_factory=list)
    memory: float = math.nan
    failure: str = ""

    def ask(self, method: str, *arguments: Any) -> Any:
        """The worker's answer; None once it has failed."""
        if self.failure:
            return None
        try:
            return self.worker.ask(method, *arguments)
        except WorkerError as error:
            self.failure = str(error)
            return None


def race(contenders: Sequence[Contender], rounds: int, seconds: float, tolerance: float) -> None:
    """Ask for each one's proof, then measure all in turn; one that fails leaves the others alone.

    seconds     that one measurement takes, about
    tolerance   largest difference between a proof and that of the first contender
    """
    for contender in contenders:
        contender.proof = contender.ask("prove") or []
    compare(contenders, tolerance)
    units = [contender.ask("calibrate", seconds) for contender in contenders]
    for _ in range(rounds):
        for contender, count in zip(contenders, units, strict=True):
            contender.seconds.append(contender.ask("measure", count))
            contender.paces.append(_pace(contender.yardstick))
    for contender in contenders:
        contender.memory = contender.ask("peak_memory")


def _pace(yardstick: Worker | None) -> float:
    """The machine's pace, nan where it cannot be told."""
    try:
        return math.nan if yardstick is None else yardstick.ask("pace")
    except WorkerError:
        return math.nan


def reference(contenders: Sequence[Contender]) -> Contender | None:
    """The first that has not failed; its proof is what the others are compared with."""
    return next((contender for contender in contenders if not contender.failure), None)


def compare(contenders: Sequence[Contender], tolerance: float) -> None:
    """Let everyone fail who does not arrive at the numbers of the first: it did other work."""
    first = reference(contenders)
    for contender in contenders:
        if contender.failure or first is None:
            continue
        found = difference(contender.proof, first.proof)
        if found > tolerance:
            contender.failure = (
                f"did other work: its results differ from {first.engine}'s by {found:.1e}, "
                f"expected at most {tolerance:.0e}"
            )


def difference(values: Sequence[float], expected: Sequence[float]) -> float:
    """The largest difference, over the largest expected value; inf where one is not finite."""
    if not all(map(math.isfinite, [*values, *expected])):
        return math.inf
    return max(abs(v - e) for v, e in zip(values, expected, strict=True)) / max(map(abs, expected))
