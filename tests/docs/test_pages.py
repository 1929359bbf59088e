"""The pages: their code runs and prints what they say, and what they show exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("README.md")])
CHAPTERS = [page for page in PAGES if page.parent.name == "chapters"]
# ```python title="FILE, FIRST to LAST" over an include of FILE:line:line; without names, all of it.
INCLUDE = re.compile(r'title="([^",]+)(?:, (\w+)(?: to (\w+))?)?"\n--8<-- "([^":]+):?([\d:]*)"')


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
    kinds = (ast.ClassDef, ast.FunctionDef)
    nodes = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kinds)
    ]
    begins = {n.name: min([n.lineno, *(d.lineno for d in n.decorator_list)]) for n in nodes}
    ends = {n.name: n.end_lineno for n in nodes}
    return f"{begins[first]}:{ends[last]}"


@pytest.mark.parametrize("page", [*CHAPTERS, ROOT / "docs/index.md"], ids=name)
def test_a_page_includes_from_the_source_what_the_title_says(page: Path) -> None:
    """Lines move when a source file changes; the message says which lines to write instead."""
    text = page.read_text("utf-8")
    included = INCLUDE.findall(text)
    assert len(included) == text.count('--8<-- "src/') > 0
    for titled, first, last, file, lines in included:
        assert titled == file
        expected = lines_of(ROOT / file, first, last or first) if first else ""
        assert lines == expected, f'{name(page)}: write --8<-- "{file}:{expected}"'


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
