"""What benchmarks share: the table of a contest, its targets met or missed, and the rows kept."""

from __future__ import annotations

import json
import math
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _measure import Contender, difference, reference

from byhand.storage import write_text

RESULTS = Path(__file__).with_name("results.json")
PEER, COMPILED, OURS = "pytorch", "torch.compile", "native"
_SAME_MACHINE = ("processor", "cores", "os")


@dataclass(frozen=True)
class Target:
    """What the native engine has to reach: times faster than PyTorch eager with the same threads,
    and the share of the SGEMM rate.

    numpy_matches   an engine than which engine numpy has to be no slower
    """

    must: float
    stretch: float | None = None
    share: float | None = None
    never_slower_than_compiled: bool = False
    numpy_matches: str | None = None


@dataclass(frozen=True)
class Contest:
    """One workload and everyone who was measured on it.

    unit        what the seconds are for: "step"
    proof       what the mean of a contender's proof is: "mean loss"
    flops       useful floating-point operations of one unit
    """

    workload: str
    unit: str
    proof: str
    flops: int
    target: Target
    contenders: Sequence[Contender]

    def find(self, engine: str, threads: int) -> Contender | None:
        """That engine with that many threads, if it has a result."""
        for contender in self.contenders:
            if (contender.engine, contender.threads) == (engine, threads):
                return None if contender.failure else contender
        return None


def speedup(contender: Contender, peer: Contender | None) -> float | None:
    """How many times faster than its peer: the median of the ratios within the rounds."""
    if peer is None:
        return None
    pairs = zip(contender.seconds, peer.seconds, strict=True)
    return statistics.median(theirs / ours for ours, theirs in pairs)


def share(contest: Contest, contender: Contender) -> float | None:
    """The share of the SGEMM rate of the moment: the median over the rounds; None if unknown."""
    pairs = zip(contender.seconds, contender.paces, strict=True)
    found = statistics.median(contest.flops / seconds / pace for seconds, pace in pairs)
    return found if math.isfinite(found) else None


def rows(contest: Contest) -> list[dict[str, Any]]:
    """What is kept of all that have a result."""
    found = []
    for contender in contest.contenders:
        if contender.failure:
            continue
        seconds = statistics.median(contender.seconds)
        peer = contest.find(PEER, contender.threads)
        found.append(
            {
                "workload": contest.workload,
                "engine": contender.engine,
                "threads": contender.threads,
                "median_seconds": _rounded(seconds),
                "ratio_to_pytorch_eager": _rounded(speedup(contender, peer)),
                "share_of_sgemm_rate": _rounded(share(contest, contender)),
                "peak_memory_mib": round(contender.memory),
            }
        )
    return found


def table(contest: Contest, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each contender: its row, or why it has none."""
    lines = [
        f"{'engine':14}{'threads':>7}{'µs per ' + contest.unit:>15}{'to PyTorch':>13}"
        f"{'SGEMM share':>13}{'peak MiB':>10}{contest.proof:>13}{'difference':>12}"
    ]
    by_contender = {(row["engine"], row["threads"]): row for row in found}
    first = reference(contest.contenders)
    for contender in contest.contenders:
        start = f"{contender.engine:14}{contender.threads:>7}"
        row = by_contender.get((contender.engine, contender.threads))
        if row is None:
            lines.append(f"{start}   {contender.failure}")
            continue
        ratio, part = row["ratio_to_pytorch_eager"], row["share_of_sgemm_rate"]
        lines.append(
            f"{start}{1e6 * row['median_seconds']:>15.4g}"
            f"{'unknown' if ratio is None else f'{ratio:.3g} x':>13}"
            f"{'unknown' if part is None else f'{part:.1%}':>13}"
            f"{row['peak_memory_mib']:>10}{statistics.fmean(contender.proof):>13.6f}"
            f"{difference(contender.proof, first.proof):>12.1e}"
        )
    return lines


def verdicts(contest: Contest) -> list[str]:
    """The targets, met or missed, for each number of threads; judged before anything is rounded."""
    lines = []
    for threads in sorted({contender.threads for contender in contest.contenders}):
        start = f"native, {threads} thread{'' if threads == 1 else 's'}:"
        ours = contest.find(OURS, threads)
        parts = _judged(contest, ours) if ours else []
        lines.append(f"{start} {', '.join(parts) or 'nothing to compare'}")
    return lines


def _judged(contest: Contest, ours: Contender) -> list[str]:
    target, parts = contest.target, []
    ratio = speedup(ours, contest.find(PEER, ours.threads))
    if ratio is not None:
        parts.append(f"must {target.must:g} x {_met(ratio, target.must)}")
        if target.stretch is not None:
            parts.append(f"stretch {target.stretch:g} x {_met(ratio, target.stretch)}")
    part = share(contest, ours)
    if target.share is not None and part is not None:
        parts.append(f"share {target.share:.0%} {_met(part, target.share)}")
    ratio = speedup(ours, contest.find(COMPILED, ours.threads))
    if target.never_slower_than_compiled and ratio is not None:
        parts.append(f"never slower than torch.compile {_met(ratio, 1)} ({ratio:.3g} x)")
    numpy = contest.find("numpy", ours.threads)
    if target.numpy_matches and numpy:
        ratio = speedup(numpy, contest.find(target.numpy_matches, ours.threads))
        if ratio is not None:
            found = f"{_met(ratio, 1)} ({ratio:.3g} x)"
            parts.append(f"numpy no slower than {target.numpy_matches} {found}")
    return parts


def _met(found: float, wanted: float) -> str:
    return "met" if found >= wanted else "missed"


def machine() -> dict[str, Any]:
    """What was measured on."""
    from byhand.training.environment import environment

    found = environment()
    return {
        "processor": found["processor"],
        "cores": found["cores"],
        "os": f"{platform.system()} {platform.machine()}",
        "python": found["python"],
        "numpy": found["packages"].get("numpy"),
        "torch": found["packages"].get("torch"),
    }


def write_rows(new: Sequence[Mapping[str, Any]], path: Path = RESULTS) -> None:
    """Put the rows in the place of those of the same workloads on the same machine.

    A machine is its processor, cores and system: a measurement with newer libraries replaces the
    older one. There is one row in each line, in an order that no run changes.
    """
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    replaced = {_measured(row) for row in new}
    kept = [row for row in kept if _measured(row) not in replaced]
    order = sorted([*kept, *new], key=lambda r: (*_measured(r), r["engine"], r["threads"]))
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in order)
    write_text(path, f"[\n{lines}\n]\n")


def _measured(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["workload"], *(str(row["machine"][name]) for name in _SAME_MACHINE))


def _rounded(value: float | None) -> float | None:
    """To three significant digits: more would be noise in every diff. None for what is unknown."""
    return None if value is None or math.isnan(value) else float(f"{value:.3g}")
