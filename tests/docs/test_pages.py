"""The pages: their code runs and prints what they say, and what they show exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from byhand import engines

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("README.md")])
CHAPTERS = [page for page in PAGES if page.parent.name == "chapters"]
# ```python title="FILE, FIRST to LAST" over an include of FILE:line:line; without names, all of it.
INCLUDE = re.compile(r'title="([^",]+)(?:, (\w+)(?: to (\w+))?)?"\n--8<-- "([^":]+):?([\d:]*)"')
INCLUDED_CODE = r'--8<-- "(?:src|native|docs/experiments)/'


def code_of(page: Path) -> list[CodeExample]:
    """The page's Python blocks, without those that are included from the source."""
    return [block for block in find_examples(page) if "--8<--" not in block.source]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if code_of(page)], ids=name)
def test_the_code_of_a_page_prints_what_the_page_says(
    page: Path, eval_example: EvalExample
) -> None:
    """A page is read from top to bottom: a block sees what the blocks above it have defined.

    `pytest tests/docs --update-examples` writes what is printed into the pages.
    """
    in_cpp = any('"native"' in block.source for block in code_of(page))
    if in_cpp and (missing := engines.available("native")):
        pytest.skip(missing)
    eval_example.set_config(line_length=100)
    run = eval_example.run_print_check
    if eval_example.update_examples:
        run = eval_example.run_print_update
    known: dict[str, object] = {}
    for block in code_of(page):
        names = run(block, module_globals=known)
        known |= {key: value for key, value in names.items() if not key.startswith("__")}


def test_every_chapter_has_code_and_says_what_it_prints() -> None:
    assert len(CHAPTERS) >= 7
    for chapter in CHAPTERS:
        assert any("#>" in block.source for block in code_of(chapter)), chapter.name


def lines_of(path: Path, first: str, last: str) -> str:
    """From where one class or function begins to where another ends, as "12:34"."""
    extent = extent_in_python if path.suffix == ".py" else extent_in_cpp
    text = path.read_text("utf-8")
    return f"{extent(text, first)[0]}:{extent(text, last)[1]}"


def extent_in_python(text: str, name: str) -> tuple[int, int]:
    """First and last line of a class or function, with its decorators."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    (node,) = (n for n in ast.walk(ast.parse(text)) if isinstance(n, kinds) and n.name == name)
    begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return begin, node.end_lineno or begin


def extent_in_cpp(text: str, name: str) -> tuple[int, int]:
    """First and last line of a class or function, with what stands directly above: its comment and
    its template parameters."""
    lines = [re.sub(r"//.*", "//", line).strip() for line in text.splitlines()]
    opening = re.compile(
        rf"(class|struct) {name}\b.*{{|(?!return |explicit )[\w:<>&* ]+[ &*]{name}\("
    )
    (begin,) = (k for k, line in enumerate(lines) if opening.match(line))
    end, depth = begin - 1, 0
    while end < begin or depth or "}" not in lines[end]:
        end += 1
        depth += lines[end].count("{") - lines[end].count("}")
    while lines[begin - 1].startswith(("//", "template <")):
        begin -= 1
    return begin + 1, end + 1


@pytest.mark.parametrize("page", [*CHAPTERS, ROOT / "docs/index.md"], ids=name)
def test_a_page_includes_from_the_source_what_the_title_says(page: Path) -> None:
    """Lines move when a source file changes; the message says which lines to write instead."""
    text = page.read_text("utf-8")
    included = INCLUDE.findall(text)
    assert len(included) == len(re.findall(INCLUDED_CODE, text)) > 0
    for titled, first, last, file, lines in included:
        assert titled == file
        expected = lines_of(ROOT / file, first, last or first) if first else ""
        assert lines == expected, f'{name(page)}: write --8<-- "{file}:{expected}"'


def test_a_table_of_both_languages_quotes_both_sources() -> None:
    """Each equation in the words of dense.py and of the plain products."""
    text = (ROOT / "docs/chapters/the-same-in-cpp.md").read_text("utf-8")
    rows = re.findall(r"^\| \$.+\$ \| (`.+`) \| (`.+;`) \|$", text, re.MULTILINE)
    assert len(rows) == 4
    sources = ("src/byhand/layers/dense.py", "native/include/byhand/kernels/products.hpp")
    for row in rows:
        for cell, source in zip(row, sources, strict=True):
            for quoted in re.findall("`(.+?)`", cell):
                assert quoted in (ROOT / source).read_text("utf-8")


def test_the_table_of_three_forms_quotes_three_sources() -> None:
    text = (ROOT / "docs/chapters/the-same-in-pytorch.md").read_text("utf-8")
    rows = re.findall(r"^\| \$.+\$ \| (`.+`) \| (`.+;`) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) == 3
    sources = (
        "src/byhand/layers/dense.py",
        "native/include/byhand/kernels/products.hpp",
        "src/byhand/engines/torch/layers.py",
    )
    for row in rows:
        for cell, source in zip(row, sources, strict=True):
            for quoted in re.findall("`(.+?)`", cell):
                assert quoted in (ROOT / source).read_text("utf-8")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_a_chapter_shows_its_figures_and_the_numbers_behind_them(chapter: Path) -> None:
    text = chapter.read_text("utf-8")
    figures = re.findall(r"!\[([^\]]+)\]\((\.\./figures/\w+\.svg)\)", text)
    assert len(figures) == text.count("![") > 0
    for _, target in figures:
        svg = chapter.parent / target
        assert svg.is_file(), f"{name(chapter)} shows {target}; make figures draws it"
        assert svg.stat().st_size < 150_000
        numbers = f"docs/figures/{svg.stem}.txt"
        assert f'--8<-- "{numbers}"' in text
        assert (ROOT / numbers).is_file()
        assert f"python docs/experiments/{svg.stem}.py" in text


def test_the_table_of_by_hand_and_pytorch_quotes_both() -> None:
    text = (ROOT / "docs/chapters/where-the-line-is.md").read_text("utf-8")
    rows = re.findall(r"^\| \$.+\$ \| (`.+`) \| (`.+`)? ?\|$", text, re.MULTILINE)
    assert len(rows) == 7
    sources = ("_step_by_hand.py", "_step_by_autograd.py")
    for row in rows:
        for cell, source in zip(row, sources, strict=True):
            for quoted in re.findall("`(.+?)`", cell):
                assert quoted in (ROOT / "docs/experiments" / source).read_text("utf-8")
