"""What went wrong in somebody's file, where, and what to do about it: one sentence each."""

from __future__ import annotations

import linecache
from pathlib import Path
from types import TracebackType

from byhand.doctor.deadline import Late

MAIN = 'if __name__ == "__main__":'
_HINTS: dict[type[BaseException], str] = {
    SystemExit: f"it ends the program there; put that under {MAIN}",
    NotImplementedError: "write it first",
    EOFError: "there is nobody to answer input(); write the value down instead",
    ModuleNotFoundError: "install it for the Python that runs byhand",
    FileNotFoundError: "run byhand check in the folder that this path starts from",
}


def where(trace: TracebackType | None, path: Path) -> tuple[str, int] | None:
    """The function of the file that was called, and the line of the file that it had come to."""
    called, line = "", 0
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == str(path):
            called, line = called or code.co_qualname, trace.tb_lineno
        trace = trace.tb_next
    return (called, line) if called else None


def raised(error: BaseException, path: Path, what: str) -> str:
    """`what` ("net.py cannot be imported", "forward() fails") with the line and the error."""
    if isinstance(error.__cause__, SystemExit):
        error = error.__cause__
    spot = where(error.__traceback__, path)
    at = f"line {spot[1]}: " if spot else ""
    said = " ".join(str(error).split())
    hint = next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), "")
    if "Tensor" in said and "numpy" in said:
        hint = "return tensors from example(rng): torch.from_numpy(...)"
    parts = [f"{what}: {at}{type(error).__name__}", *[said] * bool(said)]
    return ": ".join(parts) + f"; {hint}" * bool(hint)


def endless(error: Late, path: Path) -> str:
    """Of one call that did not return."""
    spot = where(error.trace, path)
    if spot is None:
        return slow(error, path)
    return (
        f"{spot[0]}() did not return within {error.seconds:.0f} s: {_at(path, spot[1])}; end the "
        "loop there, or return less from example(rng)"
    )


def slow(error: Late, path: Path) -> str:
    """Of a whole check that took too long."""
    spot = where(error.trace, path)
    seconds = f"{error.seconds:.2g} s"
    if spot is None:
        return f"the check took more than {seconds}: return smaller arrays from example(rng)"
    called, line = spot
    if called == "<module>":
        return (
            f"{path.name} was not imported within {seconds}: {_at(path, line)}; put what takes "
            f"long under {MAIN}"
        )
    if called == "example":
        return f"example(rng) did not return within {seconds}: {_at(path, line)}; end it"
    return (
        f"the check took more than {seconds}, the last in {called}(): {_at(path, line)}; return "
        "smaller arrays from example(rng)"
    )


def _at(path: Path, line: int) -> str:
    return f"it was at line {line}, `{linecache.getline(str(path), line).strip()}`"
