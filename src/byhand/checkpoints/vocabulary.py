"""A tokenizer as GGUF holds it: words and their types, and what decides how text is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

BYTE_LEVEL, SENTENCEPIECE = "gpt2", "llama"
"""The two kinds, in GGUF's words: BPE over bytes, and SentencePiece's with bytes as a fallback."""

END_OF_TURN = ("<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end_of_turn|>")
END_OF_MESSAGE = ("<|eom_id|>",)
LONGEST_WORD = 1024
"""Far above every vocabulary there is: the work on a word goes with the square of its length."""


class Kind(IntEnum):
    """What a word is for; the numbers are SentencePiece's and GGUF's."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


ADDED = (Kind.UNKNOWN, Kind.CONTROL, Kind.USER_DEFINED)
"""Words that are found in a text before it is cut further."""


@dataclass(frozen=True)
class Vocabulary:
    """Words by number, and how a text becomes such numbers.

    model           BYTE_LEVEL or SENTENCEPIECE
    pre             for BYTE_LEVEL: GGUF's name for how text is cut before pairs are merged
    words, kinds    by number
    scores          for SENTENCEPIECE: a pair with a higher score is merged earlier
    merges          for BYTE_LEVEL: the pairs in the order in which they are merged
    special         the numbers of bos, eos, unknown, padding, eot, eom, as far as there are such
    add_bos, add_eos, add_space     what is put around or before a text
    """

    model: str
    pre: str
    words: Sequence[str]
    kinds: Sequence[int]
    scores: Sequence[float] = ()
    merges: Sequence[tuple[str, str]] = ()
    special: dict[str, int] = field(default_factory=dict)
    add_bos: bool = False
    add_eos: bool = False
    add_space: bool = False
    chat_template: str | None = None

    def ends(self) -> list[int]:
        """The numbers that end an answer: eos, and where there is a chat the end of a turn."""
        found = [self.special[name] for name in ("eos", "eot", "eom") if name in self.special]
        if self.chat_template is not None:
            turns = (*END_OF_TURN, *END_OF_MESSAGE)
            known = {word: k for k, word in enumerate(self.words) if word in turns}
            found += [known[word] for word in turns if word in known]
        return list(dict.fromkeys(found))
