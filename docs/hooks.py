"""What the docs site needs beyond its plugins: equations as MathML, docstrings as written."""

from __future__ import annotations

import html
import logging
import re
from typing import Any

import griffe
from latex2mathml.converter import convert

log = logging.getLogger("mkdocs.hooks.byhand")

# What pymdownx.arithmatex leaves behind in its generic mode: \( inline \) and \[ display \].
EQUATION = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
# The converter passes on what it does not know, or cannot place, instead of refusing it.
NOT_CONVERTED = re.compile(r"<m\w+>(\\[^<]*|&)</m\w+>")


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Turn every equation of a page into MathML now, so that a reader needs no script for it."""

    def to_mathml(equation: re.Match[str]) -> str:
        latex = html.unescape(equation["latex"]).strip()
        display = "inline" if equation["tag"] == "span" else "block"
        try:
            mathml = convert(latex.replace("{aligned}", "{align*}"), display=display)
        except Exception as error:  # whatever it is, the author wants to know which equation
            log.warning("%s: cannot read the equation %s (%r)", page.file.src_uri, latex, error)
            return equation[0]
        if unknown := NOT_CONVERTED.search(mathml):
            log.warning("%s: no MathML for %s in %s", page.file.src_uri, unknown[1], latex)
        return mathml

    return EQUATION.sub(to_mathml, content)


class AsWritten(griffe.Extension):
    """Show each docstring line by line: its columns of equations and shapes are laid out."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            text = html.escape(obj.docstring.value)
            obj.docstring.value = f'<pre class="docstring">{text}</pre>'
