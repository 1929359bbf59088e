"""The page about the doctor: every example is on it, with what the doctor says to it today."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

import pytest

from .test_pages import INCLUDE, lines_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")
NAMES = sorted(path.stem for path in ROOT.glob("examples/*.py"))


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("reports")


def steady(report: str) -> str:
    """A report without its relative errors: how many elements a slow machine compares, and how it
    rounds, is its own."""
    return re.sub(r"\d(\.\d+)?e[+-]\d\d", "#e-##", report)


def test_each_example_is_on_the_page_with_its_report() -> None:
    assert len(NAMES) >= 12
    shown = re.findall(r'--8<-- "examples/(\w+)\.py:', PAGE)
    assert sorted(shown) == NAMES
    assert re.findall(r'--8<-- "docs/reports/(\w+)\.txt"', PAGE) == [*shown, "score"]
    assert {path.stem for path in ROOT.glob("docs/reports/*")} == {*NAMES, "score"}


def test_the_page_includes_from_the_examples_what_the_title_says() -> None:
    included = INCLUDE.findall(re.sub(r"^    ", "", PAGE, flags=re.MULTILINE))
    assert len(included) == len(NAMES)
    for titled, first, last, file, lines in included:
        assert titled == file
        expected = lines_of(ROOT / file, first, last or first)
        assert lines == expected, f'docs/doctor.md: write --8<-- "{file}:{expected}"'


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_doctor_says_what_the_page_says(reports: ModuleType, name: str) -> None:
    kept = (ROOT / f"docs/reports/{name}.txt").read_text("utf-8")
    assert steady(reports.said(name)) == steady(kept), f"python docs/reports.py {name} writes it"


def test_the_readme_quotes_the_report() -> None:
    kept = (ROOT / "docs/reports/delta_of_the_weights.txt").read_text("utf-8")
    finding = kept[kept.rindex("examples/") :]
    quoted = indent(finding, "    ")
    assert f"\n\n{quoted}\n" in (ROOT / "README.md").read_text("utf-8")


def test_only_the_relative_errors_of_a_report_are_passed_over() -> None:
    assert steady("wrong  dW  W  9e-01  2\n- h - 1e\n") == "wrong  dW  W  #e-##  2\n- h - 1e\n"
    assert steady("6.134e-11  2") == steady("2e+00  2")


def test_a_program_without_a_mistake_is_no_example(
    reports: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = (ROOT / "examples/delta_of_the_weights.py").read_text("utf-8")
    right = right.replace("dz2 @ delta_W2.T", "dz2 @ W2.T")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/right.py").write_text(right, "utf-8")
    monkeypatch.setattr(reports, "ROOT", tmp_path)
    said = r"^expected a mistake in right, found examples/right\.py: right\n"
    with pytest.raises(RuntimeError, match=said):
        reports.said("right")


def counts(mistakes: int) -> dict[str, Any]:
    """Rows as benchmarks/doctor/score.py writes them, with made-up numbers."""
    row = {
        "right": 3,
        "blamed": 0,
        "undecided": 1,
        "mistakes": mistakes,
        "detected": mistakes,
        "line": mistakes // 2,
        "fix": 0,
        "kind": 1,
        "median_seconds": 0.31,
        "max_seconds": 9.75,
    }
    return {"loops": row}


def test_the_benchmark_is_written_out_by_corpus_and_by_style(
    reports: ModuleType, tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    assert reports.score(results).startswith("*Not measured yet: `make bench-doctor` ")
    results.write_text(json.dumps({"programs": counts(8), "holdout": counts(0)}))
    assert reports.score(results).splitlines() == [
        "**Programs that nobody who changes the doctor has looked at**",
        "",
        "| | right programs | blamed | not decided | mistakes | detected | right line | right fix "
        "| median | longest |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        "| loops | 3 | 0 | 1 | 0 | 0 | 0 | 0 | 0.31 s | 9.8 s |",
        "",
        "**Programs that it was made with**",
        "",
        "| | right programs | blamed | not decided | mistakes | detected | right line | right fix "
        "| median | longest |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        "| loops | 3 | 0 | 1 | 8 | 8 (100%) | 4 (50%) | 0 (0%) | 0.31 s | 9.8 s |",
    ]


def test_the_page_shows_the_benchmark_that_was_kept(reports: ModuleType) -> None:
    kept = (ROOT / "docs/reports/score.txt").read_text("utf-8")
    assert kept == reports.score(), "python docs/reports.py writes it"
