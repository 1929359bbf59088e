"""Between text and tokens: a tokenizer in its files, and the template that makes a prompt of a
conversation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from byhand.checkpoints import Checkpoint
from byhand.checkpoints.tokenizer_files import loaded
from byhand.checkpoints.vocabulary import END_OF_TURN
from byhand.errors import InputError

Message = Mapping[str, str]
"""{"role": "system", "user" or "assistant", "content": the text}"""
BROKEN = "\ufffd"
"""What stands for bytes that are no character, or not yet."""
LONGEST_CHARACTER = 4
"""Bytes of one, so as many tokens at most."""
NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


class Tokenizer:
    """The tokenizer of a checkpoint.

    name            what errors call the model; its path without one
    special         the words that a template calls bos_token and so on, as far as there are such
    chat_template   None for a model that only goes on with a text

    Raises      InputError where the files hold none, or one that cannot be read
    """

    def __init__(self, checkpoint: Checkpoint, name: str | None = None) -> None:
        self.name = name or str(checkpoint.path)
        tokenizer = checkpoint.tokenizer
        if tokenizer is None:
            raise InputError(
                f"{self.name} has no tokenizer: expected tokenizer.json or tokenizer.model "
                "beside the weights; fetch it from where the model is published"
            )
        self._words = loaded(tokenizer, self.name)
        self.chat_template = tokenizer.chat_template
        settings = getattr(tokenizer, "settings", {})
        words = {name: _word(settings.get(name)) for name in NAMES}
        self.special = {name: word for name, word in words.items() if word}

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The tokens of a text.

        special     put around it what the tokenizer puts around a text
        """
        return list(self._words.encode(text, add_special_tokens=special).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens, without those that control the model."""
        return str(self._words.decode(list(ids)))

    def id_of(self, word: str) -> int | None:
        """The number of a word, None where it is none."""
        found = self._words.token_to_id(word)
        return None if found is None else int(found)

    def ends(self) -> list[int]:
        """The tokens that end a turn of a conversation."""
        found = [self.id_of(word) for word in END_OF_TURN] if self.chat_template else []
        return [k for k in found if k is not None]

    def prompt(self, messages: Sequence[Message], answering: bool = True) -> str:
        """A conversation as the model was trained to read it.

        answering   with the words that begin an answer

        Raises      InputError where the model has no template, or it refuses the conversation
        """
        if self.chat_template is None:
            raise InputError(
                f"{self.name} has no chat template, so it goes on with a text and does not answer: "
                "use byhand generate, or an instruct model"
            )
        from jinja2 import TemplateError

        variables = {"messages": [dict(m) for m in messages], **self.special}
        try:
            template = _compiled(self.chat_template)
            return str(template.render(variables, add_generation_prompt=answering, tools=None))
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise InputError(
                f"{self.name}: its chat template refuses the conversation: {error}"
            ) from None

    def spelled(self, ids: Iterable[int], after: Sequence[int] = ()) -> Iterator[str]:
        """What each token adds to the text that the tokens `after` end. A character of several
        tokens comes whole with its last one, and "" with those before; what never becomes a
        character stays away."""
        # At the beginning of a text a token may be spelled otherwise, so some stand before it.
        pending = list(after[-LONGEST_CHARACTER:])
        context = len(pending)
        for token in ids:
            pending.append(token)
            before = self.decode(pending[:context])
            text = self.decode(pending)
            if text.endswith(BROKEN) and len(pending) - context < LONGEST_CHARACTER:
                yield ""
                continue
            yield text[len(before) :]
            pending, context = pending[context:], len(pending) - context


def _word(value: Any) -> str | None:
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


@lru_cache(maxsize=8)
def _compiled(chat_template: str) -> Any:
    """Once for a conversation's many turns, and for a data set's many conversations."""
    return _environment().from_string(chat_template)


def _environment() -> Any:
    """As transformers has it. A template is somebody else's: it runs in a sandbox, and can neither
    change what it is given nor reach files."""
    import json
    from datetime import datetime

    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def as_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    made.filters["tojson"] = as_json
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def check_messages(messages: Any) -> Sequence[Message]:
    """The conversation, if it is one.

    Raises      InputError that says what is wrong with it
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise InputError("a conversation is a list of messages, and there is none in it")
    for message in messages:
        said = (
            [message.get(key) for key in ("role", "content")]
            if isinstance(message, Mapping)
            else [None]
        )
        if not all(isinstance(value, str) for value in said):
            raise InputError(
                f'a message is {{"role": "user", "content": "…"}}, found {message!r:.60}'
            )
    return messages
