"""A process that answers questions one after the other, each within a time limit."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerError(Exception):
    """There is no answer; the message says why in a few words."""


class TimeLimitError(WorkerError):
    """It took too long."""


class Worker:
    """A process started when it is first asked, and again after it was ended."""

    def __init__(self) -> None:
        self._process: Any = None
        self._questions: Connection

    def ask(self, limit: float, task: Callable[..., Any], *arguments: Any) -> Any:
        """What task(*arguments) returns.

        Raises      TimeLimitError where it takes more than `limit` seconds; WorkerError where it
                    raises or ends the process.
        """
        if self._process is None:
            self._start()
        self._questions.send((task, arguments))
        if not self._questions.poll(limit):
            self.close()
            raise TimeLimitError(f"no answer within {limit:g} s")
        try:
            done, answer = self._questions.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.close()
            raise WorkerError(f"its process ended with exit code {code}") from None
        if not done:
            raise WorkerError(answer)
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._questions.close()
            self._process = None

    def _start(self) -> None:
        # BLAS reads these when it is loaded; more threads than one would disturb the other worker.
        os.environ.update(dict.fromkeys(THREADS, "1"))
        spawn = multiprocessing.get_context("spawn")
        self._questions, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_answer, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._questions.recv()
        except EOFError:
            self.close()
            raise WorkerError("its process did not start") from None


def _answer(questions: Connection) -> None:
    # Ctrl-C reaches the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a program of the corpus prints, from wherever, is not part of the score.
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    questions.send(None)
    with contextlib.suppress(EOFError):
        while True:
            task, arguments = questions.recv()
            try:
                answer = True, task(*arguments)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {' '.join(str(error).split())}"
            questions.send(answer)
    sys.exit(0)
