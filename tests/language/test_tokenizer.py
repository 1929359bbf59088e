from __future__ import annotations

import json
from pathlib import Path

import pytest

from byhand import checkpoints
from byhand.errors import InputError
from byhand.language.tokenizer import Tokenizer, check_messages

from ..checkpoints import models

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "the quick fox"},
    {"role": "assistant", "content": "jumps"},
    {"role": "user", "content": "over — 你好"},
]


@pytest.fixture(scope="module", params=["byte-level", "sentencepiece"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words")
    return models.folder(path, "llama", tokenizer=request.param)


@pytest.fixture
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer(checkpoints.open(folder))


def with_template(tiny: Path, tmp_path: Path, template: str | None) -> Tokenizer:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("chat_template", None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    if template is not None:
        (tmp_path / "chat_template.jinja").write_text(template, "utf-8")
    return Tokenizer(checkpoints.open(tmp_path))


@pytest.mark.parametrize("text", [sample for sample in models.SAMPLES if sample])
def test_pieces_make_the_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    pieces = list(tokenizer.spelled(ids))
    assert len(pieces) == len(ids)
    assert "".join(pieces) == tokenizer.decode(ids)
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("at", [4, 6, 8])
def test_pieces_after_a_prompt_keep_their_spaces(tokenizer: Tokenizer, at: int) -> None:
    ids = tokenizer.encode("the quick brown fox jumps over the lazy dog")
    rest = "".join(tokenizer.spelled(ids[at:], after=ids[:at]))
    assert tokenizer.decode(ids[:at]) + rest == tokenizer.decode(ids)


def test_a_character_comes_whole_or_not_at_all(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("fox 🙂")
    cut = list(tokenizer.spelled(ids[:-1]))
    assert "".join(cut).rstrip() == "fox"
    assert cut[-1] == ""
    assert "".join(tokenizer.spelled(ids)) == "fox 🙂"


def test_bytes_that_are_no_character_do_not_hold_up_the_rest(tiny: Path) -> None:
    tokenizer = Tokenizer(checkpoints.open(tiny))
    first = tokenizer.encode("🙂", special=False)[0]
    rest = tokenizer.encode(" fox", special=False)
    pieces = list(tokenizer.spelled([first] * 5 + rest))
    assert "".join(pieces).endswith("\ufffd fox")


def test_a_conversation_is_what_transformers_makes_of_it(tiny: Path) -> None:
    theirs = models.transformers.AutoTokenizer.from_pretrained(tiny)
    ours = Tokenizer(checkpoints.open(tiny))
    prompt = ours.prompt(TALK)
    assert prompt == theirs.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)
    whole = theirs.apply_chat_template(TALK, add_generation_prompt=True, return_dict=True)
    assert ours.encode(prompt, special=False) == whole["input_ids"]
    assert ours.ends() == [2]


@pytest.mark.slow
def test_a_published_conversation_is_what_transformers_makes_of_it(
    smollm2: Path, tmp_path: Path
) -> None:
    checkpoints.convert(smollm2, tmp_path / "made")
    theirs = models.transformers.AutoTokenizer.from_pretrained(tmp_path / "made")
    ours = Tokenizer(checkpoints.open(tmp_path / "made"))
    for talk in (TALK, TALK[1:]):
        expected = theirs.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        assert ours.prompt(talk) == expected


def test_templates_know_the_words_of_transformers(tiny: Path, tmp_path: Path) -> None:
    template = (
        "{{ bos_token }}{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}"
        "{{ m | tojson }}{% endfor %}{{ strftime_now('%Y')[:2] }}{{ eos_token }}"
    )
    found = with_template(tiny, tmp_path, template).prompt(TALK)
    assert found == (
        '<s>{"role": "system", "content": "Be brief."}'
        '{"role": "user", "content": "the quick fox"}20<|im_end|>'
    )


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        (
            "{{ ''.__class__.__mro__ }}",
            "access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{% if %}", "Expected an expression"),
        ("{{ 1 // 0 }}", "by zero"),
        ("{{ '{1}'.format('x') }}", "out of range"),
    ],
)
def test_a_template_can_refuse_and_cannot_escape(
    tiny: Path, tmp_path: Path, template: str, reason: str
) -> None:
    with pytest.raises(InputError) as refused:
        with_template(tiny, tmp_path, template).prompt(TALK)
    assert str(refused.value).startswith(
        f"{tmp_path}: its chat template refuses the conversation: "
    )
    assert reason in str(refused.value)


def test_a_model_without_a_template_does_not_answer(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        with_template(tiny, tmp_path, None).prompt(TALK)
    assert str(refused.value) == (
        f"{tmp_path} has no chat template, so it goes on with a text and does not answer: use "
        "byhand generate, or an instruct model"
    )


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    models.model("llama").save_pretrained(tmp_path)
    with pytest.raises(InputError) as refused:
        Tokenizer(checkpoints.open(tmp_path))
    assert str(refused.value) == (
        f"{tmp_path} has no tokenizer: expected tokenizer.json or tokenizer.model beside the "
        "weights; fetch it from where the model is published"
    )


def test_a_damaged_tokenizer(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer.json").write_text('{"model": 3', "utf-8")
    with pytest.raises(InputError) as refused:
        Tokenizer(checkpoints.open(tmp_path))
    assert str(refused.value).startswith(f"{tmp_path}: tokenizer.json cannot be read (")
    assert str(refused.value).endswith("); fetch it again")


def test_special_words_that_are_none(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8"))
    junk = {"bos_token": {"x": 1}, "eos_token": {"content": "<s>"}, "unk_token": 3}
    path.write_text(json.dumps(settings | junk), "utf-8")
    assert Tokenizer(checkpoints.open(tmp_path)).special == {"eos_token": "<s>"}


def test_a_tokenizer_that_panics(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    words = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    words["post_processor"]["special_tokens"] = {}
    (tmp_path / "tokenizer.json").write_text(json.dumps(words), "utf-8")
    with pytest.raises(InputError) as refused:
        Tokenizer(checkpoints.open(tmp_path))
    assert str(refused.value) == (
        f"{tmp_path}: tokenizer.json cannot be read (no entry found for key); fetch it again"
    )


@pytest.mark.parametrize("wrong", [[], "hello", {}, None])
def test_no_conversation(wrong: object) -> None:
    with pytest.raises(InputError, match=r"^a conversation is a list of messages, and there is"):
        check_messages(wrong)


@pytest.mark.parametrize("wrong", ["hello", {"role": "user"}, {"role": 1, "content": "x"}, None])
def test_no_message(wrong: object) -> None:
    with pytest.raises(InputError) as refused:
        check_messages([{"role": "user", "content": "x"}, wrong])
    assert str(refused.value).startswith('a message is {"role": "user", "content": "…"}, found ')
