"""How byte-level tokenizers cut a text before they merge pairs, by the names that GGUF has for it.

Source      the tokenizer.json files of the models named; `llama-vocab.cpp` of llama.cpp, for the
            names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byhand.errors import InputError

_AFTER_WORDS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"

_SPLITS = {
    "llama-bpe": _CONTRACTIONS + r"|\p{N}{1,3}" + _AFTER_WORDS,
    "qwen2": _CONTRACTIONS + r"|\p{N}" + _AFTER_WORDS,
    "tekken": (
        f"{_BEFORE}{_UPPER}*{_LOWER}+|{_BEFORE}{_UPPER}+{_LOWER}*"
        r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
Step = tuple[str, Any]
STEPS: dict[str, tuple[Step, ...]] = {
    **{name: (("Split", regex), ("ByteLevel", False)) for name, regex in _SPLITS.items()},
    "smollm": (("Digits", True), ("ByteLevel", True)),
    "gpt-2": (("ByteLevel", True),),
}
"""By GGUF's name. Split: its regular expression; Digits: whether each stands alone; ByteLevel:
whether it cuts as GPT-2 does."""
SAME = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "deepseek-r1-qwen": "qwen2"}
WHOLE_WORDS = frozenset(("llama-bpe", "tekken"))
"""Where a word of the vocabulary is taken whole, without merging."""
NORMALIZERS = {"qwen2": {"type": "NFC"}}


def steps(pre: str, origin: object) -> tuple[str, tuple[Step, ...]]:
    """The name without its variants, and the steps.

    Raises      InputError where byhand does not know it: a guess would cut words wrongly
    """
    name = SAME.get(pre, pre)
    if name not in STEPS:
        known = ", ".join(sorted((*STEPS, *SAME)))
        raise InputError(
            f"{origin}: its tokenizer cuts text as {pre!r:.40} (tokenizer.ggml.pre), which byhand "
            f"does not know; known are {known}"
        )
    return name, STEPS[name]


def pre_tokenizer(pre: str, origin: object) -> dict[str, Any]:
    """As it stands in tokenizer.json."""
    parts = [_part(*step) for step in steps(pre, origin)[1]]
    return parts[0] if len(parts) == 1 else {"type": "Sequence", "pretokenizers": parts}


def _part(kind: str, value: Any) -> dict[str, Any]:
    if kind == "Split":
        pattern = {"Regex": value}
        return {"type": kind, "pattern": pattern, "behavior": "Isolated", "invert": False}
    if kind == "Digits":
        return {"type": kind, "individual_digits": value}
    return {"type": kind, "add_prefix_space": False, "trim_offsets": True, "use_regex": value}


def named(description: Mapping[str, Any] | None, origin: object) -> str:
    """GGUF's name for a pre_tokenizer of tokenizer.json.

    Raises      InputError where GGUF has none that byhand knows
    """
    found = tuple(_flat(description or {}))
    for name, known in STEPS.items():
        if found == known:
            return name
    kinds = " and ".join(kind for kind, _ in found) or "nothing"
    raise InputError(
        f"{origin}: its tokenizer cuts text with {kinds} in a way that byhand has no GGUF name "
        f"for; known are those of {', '.join(sorted(STEPS))}"
    )


def _flat(part: Mapping[str, Any]) -> list[Step]:
    kind = str(part.get("type"))
    if kind == "Sequence":
        return [step for inner in part.get("pretokenizers", ()) for step in _flat(inner)]
    if kind == "Split" and str(part.get("behavior")).lower() == "isolated":
        return [(kind, (part.get("pattern") or {}).get("Regex"))]
    if kind == "Digits":
        return [(kind, part.get("individual_digits"))]
    if kind == "ByteLevel" and not part.get("add_prefix_space"):
        return [(kind, part.get("use_regex", True))]
    return [(kind, None)]
