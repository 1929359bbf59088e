"""Loading, generating and answering, with small models and a published one."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch

from byhand import language
from byhand.errors import InputError
from byhand.language import Sampling, memory
from byhand.language.generation import Answer
from byhand.language.model import Model, open_model
from byhand.language.sources import find

from ..checkpoints import models

TALK = [{"role": "user", "content": "the quick fox"}]
PROMPT = "the quick brown fox"


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    made = language.load(tiny, "cpu", "f32")
    made.ends = frozenset()  # numbers at random end a text at any time
    return made


def test_the_likeliest_tokens_are_those_of_transformers(model: Model, tiny: Path) -> None:
    theirs = models.loaded(tiny)
    ids = model.encode(PROMPT)
    expected = theirs.generate(
        torch.tensor([ids]), max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    answer = model.generate(PROMPT, Sampling(0), max_tokens=20)
    text = answer.text()
    assert answer.tokens == expected[0, len(ids) :].tolist()
    assert text == "".join(model.tokenizer.spelled(answer.tokens, after=ids))
    assert answer.finish == "length"
    assert (answer.usage.prompt, answer.usage.answer) == (len(ids), 20)
    assert answer.usage.total == len(ids) + 20


def test_one_seed_is_one_text(model: Model) -> None:
    said = [
        model.generate(PROMPT, Sampling(1.0, top_k=50), 20, seed=seed).text() for seed in (1, 1, 2)
    ]
    assert said[0] == said[1] != said[2]


def test_the_makers_sampling_is_the_default(model: Model) -> None:
    # As the folder's generation_config.json says.
    assert model.sampling == Sampling(0.5, top_k=20)
    assert model.sampled() == Sampling(0.5, top_k=20)
    assert model.sampled(temperature=0, top_p=0.5) == Sampling(0, 20, 0.5)
    model.sampling, makers = Sampling(0), model.sampling
    assert model.sampled() == Sampling(0)
    assert model.sampled(top_k=3) == Sampling(1.0, top_k=3)
    model.sampling = makers


@pytest.mark.parametrize("width", [1, 3])
def test_a_text_ends_before_a_stop(model: Model, width: int) -> None:
    whole = model.generate(PROMPT, Sampling(0), 30).text()
    stop = whole[12 : 12 + width]
    answer = model.generate(PROMPT, Sampling(0), 30, stop=["never there", stop])
    pieces = list(answer)
    assert "".join(pieces) == whole[: whole.find(stop)]
    assert answer.finish == "stop"
    assert all(pieces)


def test_what_may_begin_a_stop_is_held_back(model: Model) -> None:
    answer = Answer([1], 0).begin(["ab", "c", "ab", "cd", "e", "ab"], ["abcdx", "bq"])
    assert list(answer) == ["abc", "abcde", "ab"]


def test_the_end_of_a_turn_ends_an_answer(model: Model, tiny: Path) -> None:
    first = model.generate(TALK, Sampling(0), 10)
    list(first)
    again = language.load(tiny, "cpu", "f32")
    assert again.ends == {2}
    again.ends = frozenset([first.tokens[4]])
    answer = again.generate(TALK, Sampling(0), 10)
    list(answer)
    assert answer.tokens == first.tokens[: first.tokens.index(first.tokens[4])]
    assert answer.finish == "stop"


def test_a_conversation_goes_on_where_it_was(model: Model) -> None:
    first = model.generate(PROMPT, Sampling(0), 10)
    text = first.text()
    assert first.usage.cached < first.usage.prompt
    longer = model.generate(PROMPT + text, Sampling(0), 10)
    assert longer.usage.cached >= first.usage.prompt
    kept = longer.text()
    model._cache = None
    assert model.generate(PROMPT + text, Sampling(0), 10).text() == kept


def test_two_answers_at_once_do_not_mix(model: Model) -> None:
    alone = [list(model.generate(text, Sampling(0), 12)) for text in (PROMPT, "a lazy dog")]
    one, other = (model.generate(text, Sampling(0), 12) for text in (PROMPT, "a lazy dog"))
    turns = [(next(one), next(other)) for _ in range(2)]
    rest = list(one), list(other)
    for k in range(2):
        assert "".join([*(turn[k] for turn in turns), *rest[k]]) == "".join(alone[k])


def test_ctrl_c_leaves_a_model_that_works(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.generate(PROMPT, Sampling(0), 12).text()
    answer = model.generate(PROMPT, Sampling(0), 12)
    next(answer)
    block, count = model.decoder.block, iter(range(10))

    def interrupted(*arguments: object) -> object:
        if next(count) == 1:
            raise KeyboardInterrupt
        return block(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(model.decoder, "block", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(answer)
    assert model.generate(PROMPT, Sampling(0), 12).text() == whole


def test_an_answer_ends_with_the_context(tiny: Path) -> None:
    small = language.load(tiny, "cpu", "f32", context=24)
    small.ends = frozenset()
    answer = small.generate(PROMPT, Sampling(0))
    list(answer)
    assert (answer.usage.total, answer.finish) == (24, "length")


def test_logits(model: Model, tiny: Path) -> None:
    found = model.logits(models.PROMPT)
    expected = torch.from_numpy(models.logits(models.loaded(tiny)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def refusal(call: object) -> str:
    with pytest.raises(InputError) as refused:
        call()  # type: ignore[operator]
    return str(refused.value)


def test_what_cannot_be_asked(model: Model) -> None:
    long = "fox " * 600
    count = len(model.encode(long))
    assert refusal(lambda: model.generate(long)) == (
        f"the prompt has {count:,} tokens and the context is 512: shorten it"
    )
    assert refusal(lambda: model.generate(PROMPT, max_tokens=0)) == (
        "max-tokens is at least 1, found 0"
    )
    assert refusal(lambda: model.generate(PROMPT, stop=["a", ""])) == (
        "a stop is a text of one character or more; found an empty one"
    )
    assert refusal(lambda: model.logits([])) == "the prompt has no tokens; give a word or more"
    assert refusal(lambda: model.logits([3, 320])) == "a token is a number from 0 to 319, found 320"


def test_a_context_that_is_not_there(tiny: Path) -> None:
    assert refusal(lambda: language.load(tiny, context=513)) == (
        f"{tiny} was trained for a context of 512 tokens; found 513"
    )
    count = len(language.load(tiny, "cpu").encode(PROMPT))
    small = language.load(tiny, "cpu", "f32", context=count)
    assert refusal(lambda: small.generate(PROMPT)) == (
        f"the prompt has {count} tokens and the context is {count}: shorten it, or load the model "
        "with a context of up to 512"
    )


def test_types_and_devices(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert language.load(tiny, "cpu").dtype in ("int8", "bf16")
    assert language.load(tiny, "cpu", "bfloat16").dtype == "bf16"
    assert refusal(lambda: language.load(tiny, dtype="q4")) == (
        "no dtype is called 'q4'; there is f32, f16, bf16 and int8"
    )
    assert refusal(lambda: language.load(tiny, "tpu")) == (
        "device is one of auto, cpu, cuda, mps; found 'tpu'"
    )
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert refusal(lambda: language.load(tiny, "cuda")).startswith("device cuda: PyTorch ")
    monkeypatch.setattr("byhand.language.model.has_int8", lambda: False)
    assert language.load(tiny, "cpu").dtype == "bf16"
    assert refusal(lambda: language.load(tiny, "cpu", "int8")) == (
        f"dtype int8: PyTorch {torch.__version__} has no kernel for it on cpu; use bf16"
    )


def test_what_does_not_fit_is_not_loaded(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byhand.language.model.build", lambda *_: pytest.fail("it was loaded"))
    message = refusal(lambda: open_model(find(tiny), "cpu", "f32", None, free=1000))
    need = memory.needed(find(tiny).checkpoint, 512, "f32")
    assert message.startswith(
        f"{tiny} as f32 with a context of 512 needs 0.4 GB ({need}) and 0.0 GB are free; "
    )


@pytest.mark.parametrize("name", ["torch", "tokenizers", "jinja2"])
def test_without_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert refusal(lambda: language.load("smollm2")) == (
        f"a language model needs {name}: pip install 'byhand[language]'"
    )


@pytest.mark.slow
def test_the_published_model_against_transformers(smollm2: Path, own_cache: Path) -> None:
    """Ten tokens of an answer, in float32; and eight bits, which change few predictions."""
    model = language.load(smollm2, "cpu", "f32")
    talk = [{"role": "user", "content": "What is the capital of France?"}]
    ids = model.encode(talk)
    theirs = models.loaded(model.checkpoint.path)
    with torch.no_grad():
        expected = theirs.generate(torch.tensor([ids]), max_new_tokens=10, do_sample=False)
        reference = theirs(torch.tensor([ids])).logits[0].log_softmax(-1)
    answer = model.generate(talk, Sampling(0), 10)
    text = answer.text()
    assert [*answer.tokens, 2][:10] == expected[0, len(ids) :].tolist()
    assert text == "The capital of France is Paris."
    assert answer.finish == "stop"
    small = language.load(smollm2, "cpu", "int8")
    assert small.generate(talk, Sampling(0), 10).text() == text
    found = small.logits(ids).log_softmax(-1)
    kl = (reference.exp() * (reference - found)).sum(-1).mean()
    assert kl < 0.01


def test_generation_settings_of_no_sampling(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((tmp_path / "generation_config.json").read_text("utf-8"))
    settings |= {"do_sample": False, "eos_token_id": [2, 7]}
    (tmp_path / "generation_config.json").write_text(json.dumps(settings), "utf-8")
    model = language.load(tmp_path, "cpu", "f32")
    assert model.sampling == Sampling(0)
    assert model.ends == {2, 7}
    assert len(list(islice(model.generate(PROMPT), 3))) == 3
