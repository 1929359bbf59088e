"""The house itself: what it imports, how its floors lie, what its files promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import byhand

ROOT = Path(__file__).parents[1]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
FOLDERS = ("src", "tests", "docs", "recipes", "benchmarks", "native", "examples", ".ci", ".github")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts in folder/pyproject.toml on the package in folder/src."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
    )


def written() -> list[Path]:
    """Every text file that people wrote."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        files += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    endings = {".py", ".md", ".toml", ".txt", ".yml", ".css", ".hpp", ".cpp", ".pyi", ""}
    return [path for path in files if path.suffix in endings and path.name != ".coverage"]


def test_importing_byhand_imports_no_numpy() -> None:
    assert python("import sys, byhand; print('numpy' in sys.modules)") == "False"


def test_help_loads_no_heavy_library() -> None:
    heavy = {
        "matplotlib",
        "numpy",
        "pooch",
        "pydantic",
        "ray",
        "safetensors",
        "tensorboardX",
        "torch",
    }
    printed = python(
        "import sys\n"
        "sys.argv = ['byhand', '--help']\n"
        "from byhand.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print(sorted({heavy!r} & set(sys.modules)))\n"
    )
    assert "Usage" in printed
    assert printed.splitlines()[-1] == "[]"


def test_the_installed_version_is_the_one_in_the_source() -> None:
    assert version("byhand") == byhand.__version__


def test_no_file_is_longer_than_400_lines() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in SOURCE}
    assert lines
    assert {path.name: length for path, length in lines.items() if length > 400} == {}


def test_an_import_goes_down_only() -> None:
    lint = lint_imports(ROOT)
    assert "Contracts: 2 kept, 0 broken." in lint.stdout, lint.stdout + lint.stderr
    assert lint.returncode == 0


def test_the_floors_notice_an_import_that_goes_up(tmp_path: Path) -> None:
    """The contracts are not idle: an optimizer that draws, and knows models, breaks both."""
    # Under another name, so that the installed byhand is not the one that is checked.
    for path in [*SOURCE, ROOT / "pyproject.toml"]:
        copy = tmp_path / str(path.relative_to(ROOT)).replace("byhand", "house")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text("utf-8").replace("byhand", "house"), "utf-8")
    with (tmp_path / "src/house/optimizers.py").open("a") as file:
        file.write("import matplotlib\nimport house.models\n")
    lint = lint_imports(tmp_path)
    assert "Contracts: 0 kept, 2 broken." in lint.stdout, lint.stdout + lint.stderr
    assert lint.returncode == 1


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"help", "tour", "test", "lint", "bench", "figures", "docs", "clean"} <= targets
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".ci/run"):
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", path.read_text("utf-8"), re.MULTILINE))
        assert named, f"{path.name} names no target"
        assert named <= targets, f"{path.name} names {named - targets}"


def test_nothing_names_a_machine_or_a_registry() -> None:
    # In two parts, so that this file does not find itself.
    hosts = ("py" + "pi.org", "files.python" + "hosted.org", "download.py" + "torch.org")
    folders = ("/ro" + "ot/", "/wo" + "rk/", "/ho" + "me/", "/Us" + "ers/", "C:" + "\\Users")
    files = written()
    assert ROOT / "pyproject.toml" in files
    for path in files:
        text = path.read_text("utf-8")
        for name in hosts + folders:
            assert name not in text, f"{path.relative_to(ROOT)} names {name}"


def test_the_licence_is_there() -> None:
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License")
