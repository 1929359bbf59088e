"""The layer that docs/adding-a-layer.md adds: its two texts compute the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding-a-layer.md"
COMPILER = any(shutil.which(name) for name in ("c++", "g++", "clang++"))

Z = np.array([[-40.0, -1.5, 0.0], [0.25, 3.0, 500.0]])
DA = np.array([[1.0, -2.0, 0.5], [3.0, 1.0, -1.0]])
BETA = 2.0

PROJECT = """
cmake_minimum_required(VERSION 3.21)
project(page LANGUAGES CXX)
add_subdirectory("NATIVE" native)
add_executable(page page.cpp)
target_link_libraries(page PRIVATE byhand::native)
"""
MAIN = """
#include <iomanip>
#include <iostream>
#include "byhand/registry.hpp"
#include "layer.hpp"

using namespace byhand;

template <class T>
void print(View<T> a) {
  for (Index n = 0; n < a.rows(); ++n) {
    for (Index j = 0; j < a.cols(); ++j) std::cout << std::setprecision(17) << a(n, j) << ' ';
  }
}

// Forward over its own input and back over its own error, as the layer says that it can.
template <class T>
void run() {
  Index rows, columns;
  double beta;
  std::cin >> rows >> columns >> beta;
  Buffer<T> x(rows, columns), dx(rows, columns);
  for (View<T> numbers : {x.all(), dx.all()}) {
    for (Index n = 0; n < rows; ++n) {
      for (Index j = 0; j < columns; ++j) std::cin >> numbers(n, j);
    }
  }
  Products<T> products(1, columns);
  Pass<T> pass{products};
  const auto layer = ENTRY.make({{"beta", beta}});
  if (!layer->in_place() || !layer->reads_y() || layer->reads_x()) return;
  layer->forward(constant(x.all()), x.all(), pass);
  layer->backward(constant(nothing<T>()), constant(x.all()), constant(dx.all()), dx.all(), pass);
  print(x.all());
  print(dx.all());
}

int main() {
  run<double>();
  run<float>();
}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def run(*command: object, folder: Path, given: str = "") -> str:
    done = subprocess.run(
        [str(part) for part in command],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not (COMPILER and shutil.which("cmake") and os.name == "posix"),
    reason="no CMake or no C++ compiler",
)
def test_the_header_on_the_page_is_a_twin_of_the_class_on_the_page(tmp_path: Path) -> None:
    header, registration = blocks("cpp")
    entry = re.search(r'entry<.+"\)', registration)
    assert entry is not None
    files = {
        "layer.hpp": header,
        "page.cpp": MAIN.replace("ENTRY", entry[0]),
        "CMakeLists.txt": PROJECT.replace("NATIVE", (ROOT / "native").as_posix()),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    run("cmake", ".", f"-DPython_EXECUTABLE={sys.executable}", folder=tmp_path)
    run("cmake", "--build", ".", folder=tmp_path)
    numbers = " ".join(map(str, [*Z.shape, BETA, *Z.flat, *DA.flat]))
    printed = run("./page", folder=tmp_path, given=f"{numbers} {numbers}")
    in_double, in_single = np.array(printed.split(), np.float64).reshape(2, 2, *Z.shape)

    known: dict[str, Any] = {}
    exec(blocks("python")[0], known)
    layer = known["Softplus"](BETA)
    a, cache = layer.forward(Z)
    dz, _ = layer.backward(DA, cache)
    np.testing.assert_allclose(in_double, [a, dz], rtol=1e-10)
    np.testing.assert_allclose(in_single, [a, dz], rtol=1e-5)
