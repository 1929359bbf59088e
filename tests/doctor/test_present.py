"""A report reads the same everywhere, fits into 80 columns, and is strict JSON."""

from __future__ import annotations

import html
import io
import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from byhand.doctor import present
from byhand.doctor.report import Finding, Fix, GradientVerdict, Report

SOURCE = (
    "def affine_backward(dout, cache):",
    "    x, w = cache",
    "    dw = dout.T @ x  # [in, out]",
    "    db = dout.sum()",
    "    return dout @ w.T, dw, db",
)
TRANSPOSED = Finding(
    3,
    9,
    19,
    "dw",
    "transposed",
    "dw contracts the batch with itself the wrong way round: each weight wants its input times its "
    "error.\n    dw[in, out] = Σ_batch x[batch, in] · dout[batch, out]\nThis is its transpose.",
    Fix(3, SOURCE[2], "    dw = x.T @ dout  # [in, out]"),
    (Fix(3, SOURCE[2], "    dw = (dout.T @ x).T  # [in, out]"),),
)
WRONG = Report(
    "layers/affine.py::affine_backward",
    "wrong",
    (
        GradientVerdict("dx", "x", "right", 3.21e-11, 3),
        GradientVerdict("dh", "h0", "inherited", 0.512, 3),
        GradientVerdict("dw", "w", "wrong", math.inf, 3, "kink at z[3, 7]"),
    ),
    (TRANSPOSED,),
    notes=("the batch was made smaller",),
    method="tape",
    source=SOURCE,
)
TEXT = """\
layers/affine.py::affine_backward: wrong

             gradient  of  relative error  points
  wrong      dw        w              inf       3
             kink at z[3, 7]
  inherited  dh        h0           5e-01       3
  right      dx        x            3e-11       3

layers/affine.py:3  dw: transposed

    dw = dout.T @ x  # [in, out]
         ^^^^^^^^^^

  dw contracts the batch with itself the wrong way round: each weight wants its
  input times its error.
      dw[in, out] = Σ_batch x[batch, in] · dout[batch, out]
  This is its transpose.

  - dw = dout.T @ x  # [in, out]
  + dw = x.T @ dout  # [in, out]

  note: the batch was made smaller"""
VERBOSE = """
  also right:
  - dw = dout.T @ x  # [in, out]
  + dw = (dout.T @ x).T  # [in, out]
"""


def lines_at(report: Report, finding: Finding) -> list[str]:
    """The excerpt's two lines in a report with this finding alone."""
    lines = present.text(replace(report, gradients=(), findings=(finding,), notes=())).splitlines()
    [below] = [i for i, line in enumerate(lines) if set(line.strip()) == {"^"}]
    return lines[below - 1 : below + 1]


def marked(source: str, first: int, last: int) -> str:
    """What stands over the ^^^^."""
    report = Report("f.py", "wrong", source=(source,))
    above, below = lines_at(report, replace(TRANSPOSED, line=1, column=first, end_column=last))
    # In a font where wide characters take two columns; a stand-in for each second column.
    wide = "".join(sign + "\0" * (cell_len(sign) - 1) for sign in above)
    return wide[below.index("^") : below.rindex("^") + 1].replace("\0", "")


def test_the_whole_text() -> None:
    assert present.text(WRONG) == TEXT
    assert str(WRONG) == TEXT


def test_verbose_adds_digits_alternatives_and_the_method() -> None:
    said = present.text(WRONG, verbose=True)
    assert VERBOSE in said
    assert "  right      dx        x        3.210e-11       3\n" in said
    assert said.endswith("\n\n  true gradients by: tape")


def test_a_right_report_is_short() -> None:
    report = Report("f.py", "right", (GradientVerdict("dx", "x", "right", 3.2e-11, 3),))
    assert present.text(report).splitlines() == [
        "f.py: right",
        "",
        "         gradient  of  relative error  points",
        "  right  dx        x            3e-11       3",
    ]


@pytest.mark.parametrize(
    ("verdict", "headline"),
    [("undecided", "undecided"), ("error", "could not be checked"), ("shape", "shapes do not fit")],
)
def test_a_reason_keeps_the_lines_to_add(verdict: str, headline: str) -> None:
    report = Report("f.py", verdict, reason="add:\n    def example(rng):\n        return {}")
    assert present.text(report).splitlines() == [
        f"f.py: {headline}",
        "  add:",
        "      def example(rng):",
        "          return {}",
    ]


@pytest.mark.parametrize(
    ("source", "first", "last", "expected"),
    [
        ("    dw = dout.T @ x", 9, 19, "dout.T @ x"),
        ("\t\tdw = dout.T @ x", 7, 17, "dout.T @ x"),
        ("    größe = '梯度' + dout.T", 19, 25, "dout.T"),
        ("    größe = '梯度' + dout.T", 12, 16, "'梯度'"),
        ("    dw = dout.T @ x", 0, 19, "dw = dout.T @ x"),
        ("    dw = dout.T @ x", 0, 0, "dw = dout.T @ x"),
        ("    dw = dout.T @ x", 16, 400, "@ x"),
    ],
)
def test_the_faulty_part_is_marked(source: str, first: int, last: int, expected: str) -> None:
    assert marked(source, first, last) == expected


def test_a_long_line_is_cut_around_its_faulty_part() -> None:
    source = "    d = f(alpha) * " + "x" * 70 + " @ weights.T * " + "gamma + " * 12 + "1"
    first = source.index("@")
    report = Report("f.py", "wrong", source=(source,))
    finding = replace(TRANSPOSED, line=1, column=first, end_column=first + 11)
    above, below = lines_at(report, finding)
    assert above[below.index("^") : len(below)] == "@ weights.T"
    assert above.startswith("    …")
    assert above.endswith("…")
    assert len(above) <= 80


def test_a_correction_elsewhere_says_where_and_shows_only_what_changes() -> None:
    fix = Fix(1, "def f(x):\n    y = x", "def f(x):\n    y = 2 * x")
    said = present.text(replace(WRONG, findings=(replace(TRANSPOSED, fix=fix),)))
    assert "\n  line 1:\n    def f(x):\n  -     y = x\n  +     y = 2 * x\n" in said


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        (Fix(2, "    a = 1", "    a = 2"), "- a = 1\n+ a = 2"),
        (Fix(2, "    a = 1", ""), "- a = 1"),
        (Fix(2, "", "    a = 1"), "+ a = 1"),
        (Fix(2, "    a\n    b\n", "    a\n    c\n    b\n"), "  a\n+ c\n  b"),
    ],
)
def test_the_difference_of_a_correction(fix: Fix, expected: str) -> None:
    assert present.difference(fix) == expected


def test_without_the_file_a_place_is_a_line() -> None:
    report = replace(WRONG, target="affine_forward, affine_backward")
    assert "\nline 3  dw: transposed\n" in present.text(report)


def test_long_names_are_cut_in_the_middle() -> None:
    gradient = GradientVerdict("grads.encoder.layers.0.W_hidden", "梯度" * 12, "right", 1e-9, 2)
    line = present.text(Report("f.py", "right", (gradient,))).splitlines()[-1]
    assert line == "  right  grads.enco….W_hidden  梯度梯度梯…梯度梯度           1e-09       2"
    assert cell_len(line) <= 80


def test_a_long_name_takes_the_room_that_short_ones_leave() -> None:
    gradient = GradientVerdict("self.encoder.grad_weight", "encoder.weight", "right", 1e-9, 2)
    line = present.text(Report("f.py", "right", (gradient,))).splitlines()[-1]
    assert line == "  right  self.encoder.grad_weight  encoder.weight           1e-09       2"


def test_gradients_of_a_program_that_stops_were_not_compared() -> None:
    said = present.text(replace(WRONG, verdict="shape", reason="ValueError: (5, 2) and (5, 3)"))
    assert said.startswith(
        "layers/affine.py::affine_backward: shapes do not fit\n  ValueError: (5, 2) and (5, 3)\n\n"
        "layers/affine.py:3  dw: transposed\n"
    )
    assert [g["name"] for g in present.as_json(replace(WRONG, verdict="shape"))["gradients"]] == [
        "dx",
        "dh",
        "dw",
    ]


def test_nothing_in_the_users_text_moves_the_cursor() -> None:
    report = replace(WRONG, target="a\x1b[2J.py", source=(*SOURCE[:2], "    dw = '\x1b[31m'"))
    assert "\x1b" not in present.text(report)
    assert present.text(report).startswith("a�[2J.py: wrong\n")


words = st.text(max_size=120)


@given(
    name=words,
    message=words.filter(lambda text: not any(line[:1].isspace() for line in text.splitlines())),
    source=words,
    columns=st.tuples(st.integers(0, 130), st.integers(0, 130)),
    error=st.floats(),
)
def test_every_line_fits_and_every_rendering_says_the_same(
    name: str, message: str, source: str, columns: tuple[int, int], error: float
) -> None:
    finding = Finding(1, *columns, "dw", "scale", message)
    gradients = (GradientVerdict(name, name, "wrong", error, 3, message),)
    report = Report("f.py", "wrong", gradients, (finding,), source=(source,))
    said = present.text(report, verbose=True)
    assert max(map(cell_len, said.split("\n"))) <= present.WIDTH
    assert present.rich_text(report, verbose=True).plain == said
    page = present.as_html(report, verbose=True)
    assert html.unescape(re.sub(r"<[^<>]*>", "", page)) == said
    json.dumps(present.as_json(report), allow_nan=False)


def test_a_terminal_has_calm_colours() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    console.print(present.rich_text(WRONG), soft_wrap=True)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[1;31mwrong\x1b[0m" in said
    assert "\x1b[1;31mdout.T @ x\x1b[0m" in said
    assert "\x1b[32m+ dw = x.T @ dout  # [in, out]\x1b[0m" in said
    assert re.sub(r"\x1b\[[\d;]*m", "", said) == TEXT + "\n"


def test_html_escapes_what_the_user_wrote() -> None:
    report = replace(
        WRONG,
        target="<script>alert(1)</script>.py",
        source=(*SOURCE[:2], "    dw = '<img src=x onerror=y>' & 1"),
    )
    page = report._repr_html_()
    assert page.startswith("<pre style=")
    assert page.endswith("</pre>")
    assert set(re.findall(r"</?(\w+)", page)) == {"pre", "span"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.py" in page


@pytest.mark.parametrize("shade", ["#ffffff", "#111111"])
def test_the_colours_of_html_read_well_on_light_and_on_dark(shade: str) -> None:
    """Contrast as WCAG 2.1 defines it; 3 is its least for large text and marks."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    page = present.as_html(WRONG)
    colours = set(re.findall(r"(?<![-\w])color:(#\w{6})", page))
    assert len(colours) == 3
    for colour in colours:
        darker, lighter = sorted((luminance(colour), luminance(shade)))
        assert (lighter + 0.05) / (darker + 0.05) > 3.5, colour


def test_json_is_what_the_command_promises() -> None:
    assert present.as_json(WRONG) == {
        "version": 1,
        "target": "layers/affine.py::affine_backward",
        "verdict": "wrong",
        "gradients": [
            {"name": "dx", "of": "x", "verdict": "right", "relative_error": 3.21e-11},
            {"name": "dh", "of": "h0", "verdict": "inherited", "relative_error": 0.512},
            {"name": "dw", "of": "w", "verdict": "wrong", "relative_error": None},
        ],
        "findings": [
            {
                "line": 3,
                "column": 9,
                "gradient": "dw",
                "kind": "transposed",
                "message": TRANSPOSED.message,
                "fix": {"line": 3, "old": SOURCE[2], "new": "    dw = x.T @ dout  # [in, out]"},
                "alternatives": [
                    {"line": 3, "old": SOURCE[2], "new": "    dw = (dout.T @ x).T  # [in, out]"}
                ],
            }
        ],
    }
    assert (
        present.as_json(replace(WRONG, findings=(replace(TRANSPOSED, fix=None),)))["findings"][0][
            "fix"
        ]
        is None
    )
