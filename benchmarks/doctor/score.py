"""How good the doctor is: every program of the corpus checked, right and with each mistake in it.

    python benchmarks/doctor/score.py [--holdout] [--style STYLE] [--only TEXT] [--failures]
                                      [--jobs 2] [ROOT]

Counts, by style and by the sort of mistake:

blamed      right programs of which it says that something is wrong
undecided   right programs that it could not check
detected    mistakes of which it says that something is wrong
line        mistakes where a finding, or its correction, is on a line that is wrong
fix         mistakes where the corrections of all findings, put into the file, make it right, as
            the central differences of validate.py say and not the doctor
kind        mistakes that a finding calls as the corpus does; for information, since many mistakes
            have more than one name
median, max seconds of a check, in a process that has loaded byhand already

A case that takes more than ten seconds counts as not decided. A run of a whole root is kept in
results.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from _corpus import CorpusError, Mistake, Program, load
from _workers import TimeLimitError, Worker, WorkerError
from validate import judge

from byhand.doctor.fixing import FixError, applied
from byhand.doctor.report import Finding, Report
from byhand.storage import write_text

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
LIMIT = 10.0
JUDGE_LIMIT = 120.0
WRONG = ("wrong", "shape")
LONGEST = 160


@dataclass(frozen=True)
class Case:
    """A program, with a mistake in it or without."""

    program: Program
    mistake: Mistake | None = None

    @property
    def name(self) -> str:
        title = self.program.title.removesuffix(".py")
        return f"{title} {self.mistake.id if self.mistake else 'right'}"

    @property
    def text(self) -> str:
        return self.program.wrong(self.mistake) if self.mistake else self.program.source


@dataclass(frozen=True)
class Result:
    """What the doctor said to a case, and how much of it holds.

    failure     what is not as it should be, in one line; empty where all is
    """

    case: Case
    verdict: str
    seconds: float
    line: bool = False
    fix: bool = False
    kind: bool = False
    failure: str = ""

    @property
    def detected(self) -> bool:
        return self.verdict in WRONG


SORTS: dict[str, Callable[[Mistake], bool]] = {
    "one mistake": lambda mistake: not (mistake.shape or mistake.double or mistake.hidden),
    "shape": lambda mistake: mistake.shape,
    "double": lambda mistake: mistake.double,
    "hidden": lambda mistake: mistake.hidden,
}


def cases(programs: Iterable[Program], only: str = "") -> list[Case]:
    """Every program right and with each of its mistakes, where the case's name holds `only`."""
    found = (Case(each, mistake) for each in programs for mistake in (None, *each.mistakes))
    return [case for case in found if only in case.name]


def checked(file_name: str, text: str) -> tuple[Report, float]:
    """The doctor's report on this text and the seconds it took; in a worker."""
    from byhand.doctor import check_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file_name
        path.write_text(text, encoding="utf-8")
        began = time.perf_counter()
        report = check_file(path)
        return report, time.perf_counter() - began


def score(case: Case, worker: Worker) -> Result:
    """Let the doctor check the case, and look at what it says."""
    try:
        report, seconds = worker.ask(LIMIT, checked, case.program.path.name, case.text)
    except WorkerError as error:
        seconds = LIMIT if isinstance(error, TimeLimitError) else 0.0
        return Result(case, "error", seconds, failure=str(error))
    said = short(report)
    if case.mistake is None:
        return Result(case, report.verdict, seconds, failure=said * (report.verdict != "right"))
    if report.verdict not in WRONG:
        return Result(case, report.verdict, seconds, failure=f"missed: {said}")
    guilty = case.program.guilty_lines(case.mistake)
    line = any(guilty & lines(finding) for finding in report.findings)
    kind = any(finding.kind == case.mistake.kind for finding in report.findings)
    reason = unfixed(case, report, worker)
    failure = f"{reason}: {said}" if reason else ""
    if not line:
        failure = f"expected line {', '.join(map(str, sorted(guilty)))}, {failure or said}"
    return Result(case, report.verdict, seconds, line, not reason, kind, failure)


def lines(finding: Finding) -> set[int]:
    """The lines that a finding points at or corrects."""
    if finding.fix is None:
        return {finding.line}
    count = max(1, len(finding.fix.old.splitlines()))
    return {finding.line, *range(finding.fix.line, finding.fix.line + count)}


def unfixed(case: Case, report: Report, worker: Worker) -> str:
    """Why the corrections do not make the program right; empty where they do."""
    fixes = [finding.fix for finding in report.findings if finding.fix]
    if not fixes:
        return "no fix"
    try:
        text = applied(case.text, fixes)
        wrong = worker.ask(JUDGE_LIMIT, judge, case.program, text)
    except (FixError, WorkerError) as error:
        return f"fix cannot be judged: {error}"
    return f"fix is wrong ({wrong[0].removeprefix(case.program.title + ': ')})" if wrong else ""


def short(report: Report) -> str:
    """A report in one line."""
    if not report.findings:
        reason = f": {' '.join(report.reason.split())}" if report.reason else ""
        return textwrap.shorten(f"{report.verdict}{reason}", LONGEST, placeholder=" …")
    parts = []
    for finding in report.findings:
        fix = f" -> {finding.fix.new.strip()}" if finding.fix else ""
        parts.append(f"line {finding.line} {finding.gradient} {finding.kind}{fix}")
    return f"{report.verdict}, {'; '.join(parts)}".replace("\n", " | ")


def results(found: Sequence[Case], jobs: int) -> Iterator[Result]:
    """Score the cases, several at a time, in their order."""
    workers: SimpleQueue[Worker] = SimpleQueue()

    def scored(case: Case) -> Result:
        worker = workers.get()
        try:
            return score(case, worker)
        finally:
            workers.put(worker)

    pool = ThreadPoolExecutor(jobs)
    for _ in range(jobs):
        workers.put(Worker())
    try:
        yield from pool.map(scored, found)
    finally:
        pool.shutdown(cancel_futures=True)
        for _ in range(jobs):
            with closing(workers.get()):
                pass


def counted(group: Sequence[Result]) -> dict[str, Any]:
    """The counts of a style, of a sort of mistakes, or of all."""
    right = [result for result in group if result.case.mistake is None]
    wrong = [result for result in group if result.case.mistake is not None]
    seconds = [result.seconds for result in group]
    return {
        "right": len(right),
        "blamed": sum(result.detected for result in right),
        "undecided": sum(result.verdict in ("undecided", "error") for result in right),
        "mistakes": len(wrong),
        "detected": sum(result.detected for result in wrong),
        "line": sum(result.line for result in wrong),
        "fix": sum(result.fix for result in wrong),
        "kind": sum(result.kind for result in wrong),
        "median_seconds": float(f"{statistics.median(seconds):.2g}"),
        "max_seconds": float(f"{max(seconds):.2g}"),
    }


def summary(found: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """The counts by style, of all, and by the sort of mistake; what is empty is left out."""
    groups = {
        style: [result for result in found if result.case.program.style == style]
        for style in sorted({result.case.program.style for result in found})
    }
    groups["all"] = list(found)
    for sort, belongs in SORTS.items():
        groups[sort] = [r for r in found if r.case.mistake and belongs(r.case.mistake)]
    return {name: counted(group) for name, group in groups.items() if group}


def table(counts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The counts as lines; what counts of the mistakes as shares too."""
    shares = ("detected", "line", "fix", "kind")
    yield (
        f"{'':12}{'right':>6}{'blamed':>8}{'undecided':>11}{'mistakes':>10}"
        + "".join(f"{name:>12}" for name in shares)
        + f"{'median':>9}{'max':>8}"
    )
    for name, row in counts.items():
        parts = "".join(f"{_share(row[key], row['mistakes']):>12}" for key in shares)
        median, most = row["median_seconds"], row["max_seconds"]
        yield (
            f"{name:12}{row['right']:>6}{row['blamed']:>8}{row['undecided']:>11}"
            f"{row['mistakes']:>10}{parts}{median:>7.2f} s{most:>6.2f} s"
        )


def _share(count: int, total: int) -> str:
    return f"{count} {count / total:>4.0%}" if total else "-"


def loading_seconds() -> float:
    """What a process needs before its first check: Python, NumPy and the doctor."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import byhand.doctor"], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def write_results(root: str, counts: dict[str, dict[str, Any]], path: Path = RESULTS) -> None:
    """Keep the counts of a corpus root; there is one row in each line."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept[root] = counts
    blocks = []
    for name, rows in sorted(kept.items()):
        body = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
        blocks.append(f"{json.dumps(name)}: {{\n{body}\n}}")
    write_text(path, "{\n" + ",\n".join(blocks) + "\n}\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Score the doctor on a corpus of mistakes.")
    made.add_argument("root", nargs="?", type=Path, help="a corpus; otherwise programs/")
    made.add_argument("--holdout", action="store_true", help="holdout/ in place of programs/")
    made.add_argument("--style", default="", help="one style alone")
    made.add_argument("--only", default="", metavar="TEXT", help="cases with TEXT in their names")
    made.add_argument("--failures", action="store_true", help="a line for each failing case")
    made.add_argument("--jobs", type=int, default=2, help="processes at a time")
    return made


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    root = options.root or HERE / ("holdout" if options.holdout else "programs")
    try:
        programs = [p for p in load(root) if options.style in ("", p.style)]
        chosen = cases(programs, options.only)
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 2
    if not chosen:
        print("expected a case to check, found none of that name and style", file=sys.stderr)
        return 2
    found = []
    for result in results(chosen, max(1, options.jobs)):
        found.append(result)
        if options.failures and result.failure:
            print(f"{result.case.name}: {result.failure}", flush=True)
    counts = summary(found)
    print(*table(counts), f"loading takes {loading_seconds():.2g} s more", sep="\n")
    if not (options.style or options.only):
        write_results(root.name, counts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
