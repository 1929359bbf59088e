"""What cannot be checked says so in one sentence; what a file does besides does no harm."""

from __future__ import annotations

import codecs
import linecache
import math
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from byhand.doctor import check, check_file, deadline, loading, surroundings, trials
from byhand.doctor.repair import Search
from byhand.doctor.report import Report

NET = """\
import numpy as np

def dense_forward(x, W):
    return np.tanh(x @ W), (x, W)

def dense_backward(dout, cache):
    x, W = cache
    dz = dout * (1 - np.tanh(x @ W) ** 2)
    dW = x.T @ dz
    return dz @ W.T, dW

def example(rng):
    return {"x": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 2))}
"""
WRONG = NET.replace("x.T @ dz", "x.T @ dout")
LOOP = "    while True:\n        pass\n"
FORWARD, BACKWARD, EXAMPLE = (
    next(line + "\n" for line in NET.splitlines() if line.startswith(f"def {name}"))
    for name in ("dense_forward", "dense_backward", "example")
)


def within(definition: str, line: str) -> str:
    """NET with a line at the beginning of one of its functions."""
    return NET.replace(definition, definition + line)


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Report]:
    def run(text: str | bytes, name: str = "net.py", **options: Any) -> Report:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return check_file(path, **options)

    return run


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            NET + LOOP.replace("    ", "", 1),
            "net.py was not imported within 1.5 s: it was at line 14, `while True:`; put what "
            'takes long under if __name__ == "__main__":',
        ),
        (
            within(EXAMPLE, LOOP),
            "example(rng) did not return within 1.5 s: it was at line 13, `while True:`; end it",
        ),
        (
            within(FORWARD, LOOP),
            "dense_forward() did not return within 1 s: it was at line 4, `while True:`; end the "
            "loop there, or return less from example(rng)",
        ),
        (
            within(
                BACKWARD,
                "    try:\n    "
                + LOOP.replace("\n    ", "\n        ")
                + "    except Exception:\n        pass\n",
            ),
            "dense_backward() did not return within 1 s: it was at line 8, `while True:`; end the "
            "loop there, or return less from example(rng)",
        ),
    ],
    ids=["module", "example", "forward", "backward"],
)
def test_what_does_not_end_is_ended(
    checked: Any, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setattr(deadline, "SECONDS", 1.5)
    report = checked(text)
    assert report.verdict == "error"
    # It is either at the loop's head or in its body.
    assert report.reason in (reason, _in_the_body(reason))


def _in_the_body(reason: str) -> str:
    before, _, after = reason.partition("at line ")
    line, _, rest = after.partition(",")
    return f"{before}at line {int(line) + 1},{rest.replace('while True:', 'pass', 1)}"


def test_a_change_that_loops_for_ever_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    with surroundings.alone(path):
        module = loading.load(NET, path)
        subject, _, _ = trials.settle(module, loading.example(module, 0) or {}, None, {})
        subject.hurry()
        exec(BACKWARD + LOOP, module.namespace)
        with pytest.raises(deadline.Late):
            subject.run(subject.start)
        assert math.isfinite(subject.loss(subject.start))


def test_what_is_known_is_said_when_time_is_out(
    checked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(search: Search) -> None:
        search.look()
        while True:
            pass

    monkeypatch.setattr(deadline, "SECONDS", 5)
    monkeypatch.setattr(Search, "run", endless)
    report = checked(WRONG)
    assert [(g.of, g.verdict) for g in report.gradients] == [("x", "right"), ("W", "wrong")]
    (finding,) = report.findings
    assert (report.verdict, finding.line, finding.kind) == ("wrong", 9, "unexplained")


def test_a_training_function_beside_the_pair_is_not_waited_for(checked: Any) -> None:
    report = checked(NET + "\ndef train(x, W):\n" + LOOP)
    assert report.verdict == "right"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "net.py is empty; write a forward and a backward into it"),
        (
            "# nothing yet\n",
            "no pair of a forward and a backward was found: name them alike (affine_forward, "
            "affine_backward) or say which with FILE.py::NAME; the file has no function",
        ),
        (
            "# café\n".encode("latin-1"),
            "net.py: expected text in UTF-8, found bytes that are none; save it as UTF-8, or name "
            "its encoding in its first line: # -*- coding: latin-1 -*-",
        ),
        (
            codecs.BOM_UTF16_LE + NET.encode("utf-16-le"),
            "net.py: expected text in UTF-8, found bytes that are none; save it as UTF-8, or name "
            "its encoding in its first line: # -*- coding: latin-1 -*-",
        ),
        (
            "print 'hello'\n",
            "net.py, line 1: Missing parentheses in call to 'print'. Did you mean print(...)?; it "
            "has to be valid Python 3",
        ),
        (
            NET.replace("    dW", "\tdW"),
            "net.py, line 9: inconsistent use of tabs and spaces in indentation; it has to be "
            "valid Python 3",
        ),
        (
            NET + "import sys\nsys.exit(3)\n",
            "net.py cannot be imported: line 15: SystemExit: 3; it ends the program there; put "
            'that under if __name__ == "__main__":',
        ),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\n"
            "p.parse_args()\n",
            "net.py cannot be imported: line 4: SystemExit: 2; it ends the program there; put "
            'that under if __name__ == "__main__":',
        ),
        (
            "name = input()\n",
            "net.py cannot be imported: line 1: EOFError: EOF when reading a line; there is "
            "nobody to answer input(); write the value down instead",
        ),
        (
            "open('no.csv')\n",
            "net.py cannot be imported: line 1: FileNotFoundError: [Errno 2] No such file or "
            "directory: 'no.csv'; run byhand check in the folder that this path starts from",
        ),
        (
            "from net import other\n",
            "net.py cannot be imported: line 1: ImportError: cannot import name 'other' from "
            "'net' ({path}); the file has the name of a module that it imports: call it net_.py",
        ),
        (
            NET.replace("def example(rng)", "def example()"),
            "example(rng) fails: TypeError: example() takes 0 positional arguments but 1 was given",
        ),
        (
            NET.replace('"W": rng', '"weights": rng'),
            "dense_forward() wants W: return it from example(rng), which returns weights, x",
        ),
        (
            NET.replace("np.tanh(x @ W), (", "np.tanh(W @ x), ("),
            "dense_forward() fails: line 4: ValueError: matmul: Input operand 1 has a mismatch in "
            "its core dimension 0, with gufunc signature (n?,k),(k,m?)->(n?,m?) (size 4 is "
            "different from 2)",
        ),
        (
            within(FORWARD, "    exit()\n"),
            "dense_forward() fails: line 4: SystemExit: None; it ends the program there; put that "
            'under if __name__ == "__main__":',
        ),
        (
            within(BACKWARD, "    raise NotImplementedError\n"),
            "dense_backward() fails: line 7: NotImplementedError; write it first",
        ),
        (
            within(BACKWARD, "    np.save('x.npy', dout)\n"),
            "dense_backward() writes x.npy at line 7, and a check runs it hundreds of times; "
            "write files elsewhere",
        ),
        (
            within(
                FORWARD,
                "    try:\n        open('log.txt', mode='a')\n    except OSError:\n        pass\n",
            ),
            "dense_forward() writes log.txt at line 5, and a check runs it hundreds of times; "
            "write files elsewhere",
        ),
        (
            within(FORWARD, "    x = x * np.random.default_rng().random()\n"),
            "dense_forward() gives another loss each time with the same arguments; hand in what it "
            "draws or counts (a mask, a generator, a step) as an argument",
        ),
    ],
)
def test_the_sentence(
    checked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    report = checked(text)
    path = tmp_path / "net.py"
    assert report.verdict == "error"
    assert report.reason == reason.replace("{path}", str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["net.py"]


@pytest.mark.parametrize(
    ("setup", "drawn"),
    [
        ("", "np.random.random()"),
        ("import random", "random.random()"),
        ("rng = np.random.default_rng()", "rng.random()"),
        ("rng = np.random.RandomState(1)", "rng.rand()"),
        ("from random import Random\nrng = Random()", "rng.random()"),
        ("n = 0\ndef count():\n    global n\n    n += 1\n    return n\n", "count()"),
    ],
)
def test_what_is_drawn_inside_is_the_same_in_each_run(checked: Any, setup: str, drawn: str) -> None:
    text = NET.replace("np.tanh(x @ W), (x, W)", f"np.tanh(x @ W) * (k := {drawn}), (x, W, k)")
    text = text.replace("x, W = cache", "x, W, k = cache").replace("dout * (", "dout * k * (")
    report = checked(text.replace("\n", f"\n{setup}\n", 1))
    assert (report.verdict, report.reason) == ("right", "")


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + WRONG.encode(),
        WRONG.replace("\n", "\r\n").encode(),
        WRONG.replace("    ", "\t").encode(),
        ("# -*- coding: latin-1 -*-\n# café\n" + WRONG).encode("latin-1"),
    ],
    ids=["bom", "crlf", "tabs", "latin-1"],
)
def test_text_as_it_comes(checked: Any, content: bytes) -> None:
    report = checked(content)
    assert report.verdict == "wrong"
    fix = report.findings[0].fix
    assert fix is not None
    assert fix.new.strip() == "dW = x.T @ dz"


def test_siblings_and_packages_are_found(checked: Any, tmp_path: Path) -> None:
    helper = "import numpy as np\ndef act(z):\n    return np.tanh(z)\n"
    uses = NET.replace("np.tanh(x @ W), (", "act(x @ W), (")
    for folder in ("one", "two", "pack", "pack/inner"):
        (tmp_path / folder).mkdir()
    for file in ("one/helper.py", "two/helper.py", "pack/helper.py"):
        (tmp_path / file).write_text(helper.replace("tanh", "sinh" if "two" in file else "tanh"))
    (tmp_path / "pack/__init__.py").write_text("")
    (tmp_path / "pack/inner/__init__.py").write_text("from .net import dense_forward\n")
    before = set(sys.modules), list(sys.path)
    at_the_top = "from helper import act\n" + uses
    later = uses.replace(FORWARD, FORWARD + "    from helper import act\n")
    assert checked(at_the_top, "one/net.py").verdict == "right"
    assert checked(later, "one/net.py").verdict == "right"
    assert checked(at_the_top, "two/net.py").verdict == "wrong", "its own helper, not the first"
    relative = "from ..helper import act\n" + uses
    assert checked(relative, "pack/inner/net.py").verdict == "right"
    # The same without any __init__.py.
    assert checked("from .helper import act\n" + uses, "one/net.py").verdict == "right"
    assert (set(sys.modules) - before[0], sys.path) == (set(), before[1])


@pytest.mark.parametrize("name", ["random.py", "numpy.py", "queue.py"])
def test_a_librarys_name_does_no_harm(checked: Any, name: str) -> None:
    assert checked(NET + "import random\nassert random.random\n", name).verdict == "right"
    assert sys.modules["numpy"] is np
    assert sys.modules["random"] is random


def test_the_surroundings_are_as_they_were(checked: Any, capfd: pytest.CaptureFixture[str]) -> None:
    noisy = (
        "import os, sys, warnings, random, logging\n"
        "assert sys.argv == [__file__]\n"
        "os.chdir('/')\nsys.path.append('/')\nrandom.seed(5)\nlogging.basicConfig()\n"
        "print('out')\nprint('err', file=sys.stderr)\nwarnings.warn('warned')\n"
    )
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    before = Path.cwd(), list(sys.argv), list(sys.path), sys.stdin, open, os.mkdir
    report = checked(noisy + within(FORWARD, "    print('again')\n"))
    assert (report.verdict, report.reason) == ("right", "")
    assert (Path.cwd(), sys.argv, sys.path, sys.stdin, open, os.mkdir) == before
    assert (random.random(), np.random.random()) == expected
    assert capfd.readouterr() == ("", "")


def test_files_may_be_read_and_other_functions_may_write(checked: Any, tmp_path: Path) -> None:
    (tmp_path / "k.txt").write_text("1")
    text = within(FORWARD, f"    assert open({str(tmp_path / 'k.txt')!r}).read() == '1'\n")
    text += f"\ndef save(x, W):\n    np.save({str(tmp_path / 'w.npy')!r}, W)\n"
    assert checked(text).verdict == "right"
    assert not (tmp_path / "w.npy").exists()


def test_other_pairs_are_named(checked: Any) -> None:
    relu = "\ndef relu_forward(x):\n    return np.maximum(x, 0), x\n"
    relu += "\ndef relu_backward(dout, x):\n    return dout * (x > 0)\n"
    report = checked(NET + relu)
    assert report.notes == ("not checked: relu_backward; name each as FILE.py::NAME",)
    report = checked(NET + relu, name="net.py")
    assert report.verdict == "right"


def test_an_error_in_the_backward_is_said(checked: Any) -> None:
    report = checked(within(BACKWARD, "    raise RuntimeError('not today')  # yet\n"))
    assert (report.verdict, report.reason) == ("wrong", "RuntimeError: not today")
    (finding,) = report.findings
    assert (finding.line, finding.column, finding.kind) == (7, 4, "raises")
    assert finding.message == "RuntimeError: not today"


def test_a_folder(tmp_path: Path) -> None:
    report = check_file(tmp_path)
    assert report.reason == f"{tmp_path}: it is a folder; name one file in it"


def test_functions_of_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    module = ModuleType("__main__")
    cells = [
        "import numpy as np\nprint('runs once')\n",
        "print('trains')\ndef forward(x, W):\n    return act(x @ W), (x, W)\n",
        "def act(z):\n    return np.tanh(z)\n",
        "def backward(d, cache):\n    x, W = cache\n    dz = d * (1 - act(x @ W) ** 2)\n"
        "    return dz @ W.T, x.T @ d\n",
    ]
    for number, text in enumerate(cells):
        name = f"/tmp/ipykernel_1/{number}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), module.__dict__)
    capsys.readouterr()
    inputs = {"x": np.ones((4, 3)) / 7, "W": np.arange(6.0).reshape(3, 2)}
    report = check(vars(module)["forward"], vars(module)["backward"], inputs)
    assert report.target == "notebook::backward"
    assert [(g.of, g.verdict) for g in report.gradients] == [("x", "right"), ("W", "wrong")]
    fix = report.findings[0].fix
    assert fix is not None
    assert fix.new == "    return dz @ W.T, x.T @ dz"
    assert capsys.readouterr().out == "", "no cell is run again"


def test_functions_without_source() -> None:
    names: dict[str, Any] = {}
    exec("def f(x):\n    return x\n", names)
    report = check(names["f"], names["f"], {"x": 1.0})
    assert report.reason == (
        "check needs the source of both functions: define them in a file or in a notebook"
    )
