"""What recording is going on in this thread."""

from __future__ import annotations

import threading

import numpy as np

from byhand.autodiff.branches import Branch, Branches


class _Threads(threading.local):
    def __init__(self) -> None:
        self.recordings: list[Branches | None] = []


threads = _Threads()


def active() -> bool:
    return bool(threads.recordings)


def decided(operation: str, decision: object) -> None:
    """Note a decision in every record that is being kept; an inner one is part of the outer."""
    for record in threads.recordings:
        if record is not None:
            record.append(Branch(operation, np.array(decision)))
