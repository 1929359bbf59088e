"""What the doctor says to each program of examples/, and how good it is, for docs/doctor.md.

    python docs/reports.py [NAME ...]

writes docs/reports/NAME.txt, the report of `byhand check examples/NAME.py`, for these examples or
for all, and docs/reports/score.txt from benchmarks/doctor/results.json, which `make bench-doctor`
writes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from byhand.storage import write_text

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "docs" / "reports"
RESULTS = ROOT / "benchmarks" / "doctor" / "results.json"
NAMES = sorted(path.stem for path in ROOT.glob("examples/*.py"))
CORPORA = {
    "holdout": "Programs that nobody who changes the doctor has looked at",
    "programs": "Programs that it was made with",
}
HEADS = {
    "right": "right programs",
    "blamed": "blamed",
    "undecided": "not decided",
    "mistakes": "mistakes",
    "detected": "detected",
    "line": "right line",
    "fix": "right fix",
    "median_seconds": "median",
    "max_seconds": "longest",
}


def said(name: str) -> str:
    """What `byhand check examples/NAME.py` prints, from the top of the repository."""
    command = [sys.executable, "-m", "byhand", "check", f"examples/{name}.py"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode != 1 or answer.stderr:
        raise RuntimeError(f"expected a mistake in {name}, found {answer.stdout}{answer.stderr}")
    return answer.stdout


def score(results: Path = RESULTS) -> str:
    """The counts of the benchmark as tables, a row for each style of program."""
    if not results.is_file():
        return "*Not measured yet: `make bench-doctor` does it, in about 25 minutes.*\n"
    kept = json.loads(results.read_text("utf-8"))
    tables = ("\n".join(_table(CORPORA[key], kept[key])) for key in CORPORA if key in kept)
    return "\n\n".join(tables) + "\n"


def _table(title: str, rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"**{title}**\n"
    yield f"| | {' | '.join(HEADS.values())} |"
    yield f"|---|{'--:|' * len(HEADS)}"
    for name, row in rows.items():
        yield f"| {name} | {' | '.join(_cell(row, key) for key in HEADS)} |"


def _cell(row: dict[str, Any], key: str) -> str:
    if key.endswith("seconds"):
        return f"{row[key]:.2g} s"
    if key in ("detected", "line", "fix") and row["mistakes"]:
        return f"{row[key]} ({row[key] / row['mistakes']:.0%})"
    return str(row[key])


def main(names: list[str]) -> None:
    for name in names or NAMES:
        write_text(REPORTS / f"{name}.txt", said(name))
        print(f"docs/reports/{name}.txt")
    write_text(REPORTS / "score.txt", score())


if __name__ == "__main__":
    main(sys.argv[1:])
