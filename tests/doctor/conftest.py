"""Verdicts alone: how a program is checked without looking for its repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.doctor import check_file
from byhand.doctor.report import Report


@pytest.fixture
def without_repairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byhand.doctor.diagnose._search", lambda *_: [])


def checked(folder: Path, text: str) -> Report:
    path = folder / "net.py"
    path.write_text("import numpy as np\n" + text, encoding="utf-8")
    return check_file(path)
