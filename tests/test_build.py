"""The build: what pip, CMake and make do with native/, also where there is no compiler."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPILER = any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
with_compiler = pytest.mark.skipif(not COMPILER, reason="no C++ compiler")
with_cmake = pytest.mark.skipif(
    not (COMPILER and shutil.which("cmake")), reason="no CMake or no C++ compiler"
)


Answer = subprocess.CompletedProcess[str]


def run(*command: object, folder: Path = ROOT, **environment: str) -> Answer:
    """Run a command in English, and not as a part of the make or on the path of these tests."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH"}
    }
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=inherited | {"LC_ALL": "C", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | environment,
    )


def succeed(*command: object, folder: Path = ROOT, **environment: str) -> str:
    answer = run(*command, folder=folder, **environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What of the repository a build or a make reads, to be spoiled."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("native", "recipes", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name)
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(ROOT / "src", folder / "src", ignore=compiled)
    for name in (".gitignore", "LICENSE", "Makefile", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@with_compiler
def test_where_there_is_a_compiler_there_is_the_engine() -> None:
    assert importlib.util.find_spec("byhand.engines._native") is not None


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["no compiler", "code that does not compile"])
def test_without_a_compiled_engine_byhand_installs_all_the_same(
    clone: Path, tmp_path: Path, failure: str
) -> None:
    environment = {}
    if failure == "no compiler":
        environment["CXX"] = str(tmp_path / "missing")
    else:
        for source in (clone / "native/bindings").glob("*.cpp"):
            source.write_text("#error\n")
    site = tmp_path / "site"
    succeed(
        *(sys.executable, "-m", "pip", "install", "--no-deps", "--target", site, clone),
        **environment,
    )
    assert (site / "byhand/engines/native.py").exists()
    assert (site / "byhand/recipes/nielsen-1.toml").exists()
    assert (site / "byhand/examples/delta_of_the_weights.py").exists()
    assert [path for path in site.rglob("_native*") if path.suffix != ".pyi"] == []
    printed = succeed(
        *(sys.executable, "-c"),
        "import byhand.engines as e; print(e.__file__); print(e.available('native'))",
        folder=tmp_path,
        PYTHONPATH=str(site),
    )
    file, why = printed.splitlines()
    assert Path(file).is_relative_to(site)
    assert why.startswith("the native engine was not built when byhand was installed")


@pytest.mark.slow
def test_an_editable_install_follows_moved_modules_and_keeps_no_old_engine(
    clone: Path, tmp_path: Path
) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    old = clone / f"src/byhand/engines/_native{suffix}"
    old.touch()
    before = set(clone.rglob("*"))
    home = tmp_path / "environment"
    venv.create(home)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    succeed(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "-e", clone),
        CXX=str(tmp_path / "missing"),
    )
    assert before - set(clone.rglob("*")) == {old}, "a failed build leaves the engine of another"
    assert set(clone.rglob("*")) <= before, "the build leaves something behind"
    module, package = clone / "src/byhand/errors.py", clone / "src/byhand/errors"
    package.mkdir()
    module.rename(package / "__init__.py")
    (package / "later.py").touch()
    printed = succeed(python, "-c", "import byhand.errors.later as l; print(l.__file__)")
    assert Path(printed) == package / "later.py"


@pytest.mark.slow
def test_the_source_distribution_is_complete(clone: Path, tmp_path: Path) -> None:
    (clone / "src/byhand/engines/_native.cpython-311-darwin.so").touch()
    (clone / "build/native").mkdir(parents=True)
    (clone / "build/native/CMakeCache.txt").touch()
    backend = tmp_path / "backend"
    succeed(
        *(sys.executable, "-m", "pip", "install", "--target", backend, "scikit-build-core>=0.11")
    )
    succeed(
        *(sys.executable, "-c"),
        f"import scikit_build_core.build as b; b.build_sdist({str(tmp_path)!r})",
        folder=clone,
        PYTHONPATH=str(backend),
    )
    (archive,) = tmp_path.glob("byhand-*.tar.gz")
    with tarfile.open(archive) as file:
        packed = {name.partition("/")[2] for name in file.getnames()}
    written = [path for path in (ROOT / "native").rglob("*") if path.suffix in {".cpp", ".hpp"}]
    expected = {path.relative_to(ROOT).as_posix() for path in written}
    assert "native/bindings/module.cpp" in expected
    assert expected | {"native/CMakeLists.txt", "recipes/nielsen-1.toml"} <= packed
    assert [name for name in packed if name.endswith((".so", "CMakeCache.txt"))] == []


def configure(build: Path, *options: str) -> list[str]:
    """The commands with which CMake would compile examples and tests, without any Eigen."""
    eigen = build.parent / "eigen"
    (eigen / "Eigen").mkdir(parents=True, exist_ok=True)
    (eigen / "Eigen/Core").touch()
    succeed(
        *("cmake", "-S", ROOT / "native", "-B", build, f"-DEIGEN3_INCLUDE_DIR={eigen}"),
        *("-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DBYHAND_TESTS=ON", *options),
    )
    listed = json.loads((build / "compile_commands.json").read_text("utf-8"))
    assert listed
    return [entry["command"] for entry in listed]


@with_cmake
@pytest.mark.skipif(os.name == "nt", reason="MSVC has other flags")
def test_wheels_for_many_machines_are_not_compiled_for_this_one(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    settings = project["tool"]["cibuildwheel"]["config-settings"]
    assert settings == {"cmake.define.BYHAND_PORTABLE": "ON"}
    for command in configure(tmp_path / "portable", "-DBYHAND_PORTABLE=ON"):
        assert "=native" not in command
        assert sysconfig.get_platform() != "linux-x86_64" or "-march=x86-64-v3" in command
    for command in configure(tmp_path / "own"):
        assert "=native" in command
        assert "-ffast-math" not in command
        assert "-fsanitize" not in command


@with_cmake
@pytest.mark.skipif(os.name == "nt", reason="MSVC has other flags")
def test_sanitizers_and_assertions_are_on_when_asked_for(tmp_path: Path) -> None:
    commands = configure(tmp_path / "build", "-DBYHAND_SANITIZE=ON")
    for command in commands:
        assert "-fsanitize=address,undefined -fno-sanitize-recover=all" in command
    tests = [command for command in commands if "native/tests/test_" in command]
    assert tests
    assert all("-UNDEBUG" in command for command in tests)


@with_cmake
def test_a_folder_without_eigen_is_named(tmp_path: Path) -> None:
    answer = run(
        *("cmake", "-S", ROOT / "native", "-B", tmp_path / "build"),
        f"-DEIGEN3_INCLUDE_DIR={tmp_path}",
    )
    assert answer.returncode == 1
    assert f"EIGEN3_INCLUDE_DIR has no Eigen/Core in it: {tmp_path}\n" in answer.stderr


@with_cmake
def test_no_eigen_says_what_to_install(tmp_path: Path) -> None:
    answer = run(
        *("cmake", "-S", ROOT / "native", "-B", tmp_path / "build"),
        "-DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON",
    )
    assert answer.returncode == 1
    assert (
        "Eigen 3.4 is not here: install libeigen3-dev or the pip package cmeel-eigen, or set "
        "EIGEN3_INCLUDE_DIR to the folder that holds Eigen/Core\n"
    ) in answer.stderr


def set_up(folder: Path) -> None:
    """Stamps as after a finished set-up, later than every file."""
    (folder / ".venv").mkdir()
    newest = max(path.stat().st_mtime for path in folder.rglob("*"))
    for age, name in enumerate((".made", ".base", ".test"), 1):
        stamp = folder / ".venv" / name
        stamp.touch()
        os.utime(stamp, (newest + age, newest + age))


@pytest.mark.parametrize(
    "changed", ["CMakeLists.txt", "bindings/module.cpp", "include/byhand/layers/dense.hpp"]
)
def test_make_compiles_again_what_has_changed(clone: Path, changed: str) -> None:
    set_up(clone)
    assert run("make", "--question", ".venv/.base", folder=clone).returncode == 0
    later = (clone / ".venv/.test").stat().st_mtime + 1
    os.utime(clone / "native" / changed, (later, later))
    assert run("make", "--question", ".venv/.base", folder=clone).returncode == 1
    again = succeed("make", "--just-print", ".venv/.test", folder=clone)
    assert "--editable ." in again
    assert "byhand[test]" not in again, "the extras are looked through for nothing"


def test_make_bench_runs_the_one_that_is_asked_for(clone: Path) -> None:
    set_up(clone)
    printed = succeed("make", "--just-print", "bench", "ONLY=logging_cost", folder=clone)
    assert "for name in logging_cost;" in printed
    everything = succeed("make", "--just-print", "bench", folder=clone)
    scripts = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
    assert f"for name in {' '.join(scripts)};" in everything


def test_make_bench_says_what_there_is(clone: Path) -> None:
    for path in (clone / "benchmarks").iterdir():
        if path.is_file() and path.name != "logging_cost.py":
            path.unlink()
    answer = run("make", "bench", "ONLY=nope", folder=clone)
    assert answer.returncode == 2
    assert "no benchmark nope in benchmarks/: there is logging_cost." in answer.stderr
