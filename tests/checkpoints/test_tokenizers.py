"""Tokenizers from one format to another: SentencePiece, tokenizers, tiktoken's rule and llama.cpp
have to cut texts the same way."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import sentencepiece as library
from tokenizers import Tokenizer

from byhand import checkpoints
from byhand.checkpoints import pretokenizers, sentencepiece, tiktoken, tokenizer_json
from byhand.checkpoints.tokenizer_files import FileTokenizer, model_file
from byhand.checkpoints.vocabulary import Kind, Vocabulary
from byhand.errors import InputError

from . import models

TEXTS = ("the quick  brown", " it's 12345", "Ünïcödé — 你好 🙂", "dog ", "we'll\n\nsee", "")


def as_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    return Tokenizer.from_str(tokenizer_json.written(vocabulary, "here")["tokenizer.json"].decode())


def processor(content: bytes) -> library.SentencePieceProcessor:
    return library.SentencePieceProcessor(model_proto=content)


def test_sentencepiece_is_cut_as_by_the_library() -> None:
    content = models.sentencepiece_model()
    theirs, ours = processor(content), as_tokenizer(sentencepiece.read(content, "here"))
    assert sentencepiece.read(content, "here").add_space
    for text in TEXTS:
        assert ours.encode(text).ids == [1, *theirs.encode(text)]
        assert ours.decode(ours.encode(text).ids) == text


def test_a_written_sentencepiece_model_is_the_same_one() -> None:
    words = sentencepiece.read(models.sentencepiece_model(), "here")
    written = sentencepiece.written(words)
    assert sentencepiece.read(written, "here") == words
    a, b = processor(models.sentencepiece_model()), processor(written)
    assert (b.bos_id(), b.eos_id(), b.unk_id(), b.pad_id()) == (1, 2, 0, -1)
    for text in TEXTS:
        assert a.encode(text) == b.encode(text)


def test_sentencepiece_without_its_file_is_read_from_tokenizer_json() -> None:
    """The order of the merges stands for the scores."""
    words = sentencepiece.read(models.sentencepiece_model(), "here")
    files = tokenizer_json.written(words, "here")
    tokenizer, settings = (
        json.loads(files[name]) for name in ("tokenizer.json", "tokenizer_config.json")
    )
    back = tokenizer_json.read(tokenizer, settings, None, "here")
    assert (back.words, back.special, back.add_bos, back.add_space) == (
        words.words,
        words.special,
        True,
        True,
    )
    expected = [Kind.UNUSED if k == Kind.UNUSED else k for k in words.kinds]
    assert back.kinds == expected
    again = processor(sentencepiece.written(back))
    for text in TEXTS:
        assert again.encode(text) == processor(models.sentencepiece_model()).encode(text)


def test_sentencepiece_in_gguf_is_cut_as_by_llama_cpp(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama", tokenizer="sentencepiece")
    (source / "tokenizer.model").write_bytes(models.sentencepiece_model())
    checkpoints.convert(source, tmp_path / "model.gguf")
    cpp = models.LlamaCpp(tmp_path / "model.gguf")
    theirs = processor(models.sentencepiece_model())
    ours = as_tokenizer(sentencepiece.read(models.sentencepiece_model(), "here"))
    for text in TEXTS:
        assert cpp.words(text) == [1, *theirs.encode(text)]
    # After a word of the user's both put one more space, which SentencePiece does not.
    assert ours.encode("a<turn>b").ids == cpp.words("a<turn>b")
    checkpoints.convert(tmp_path / "model.gguf", tmp_path / "back")
    again = processor((tmp_path / "back/tokenizer.model").read_bytes())
    assert [again.encode(text) for text in TEXTS] == [theirs.encode(text) for text in TEXTS]
    # Four rows of the embedding have no word.
    assert again.get_piece_size() == 320
    assert again.is_unused(319)


def test_words_that_were_added_to_sentencepiece_follow_it(tmp_path: Path) -> None:
    words = sentencepiece.read(models.sentencepiece_model(), "here")
    more = replace(
        words,
        words=[*words.words, "<|im_end|>"],
        kinds=[*words.kinds, Kind.CONTROL],
        scores=[*words.scores, 0.0],
    )
    for name, content in tokenizer_json.written(more, "here").items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "tokenizer.model").write_bytes(models.sentencepiece_model())
    tokenizer = FileTokenizer.of(tmp_path)
    assert tokenizer is not None
    found = tokenizer.vocabulary()
    assert (found.words[-1], found.kinds[-1]) == ("<|im_end|>", Kind.CONTROL)
    assert found.special["eot"] == len(words.words)
    assert found.words[:-1] == words.words


def tiktoken_words() -> bytes:
    """A vocabulary in which words are made of two others: bytes, then pairs by rank."""
    words = [bytes([k]) for k in range(256)]
    words += [b"th", b"e ", b"the ", b" q", b"in", b"ing", b"\xe4\xbd", b"\xe4\xbd\xa0"]
    lines = [base64.b64encode(word).decode() + f" {k}" for k, word in enumerate(words)]
    return "\n".join(lines).encode()


def by_ranks(text: bytes, ranks: dict[bytes, int]) -> list[int]:
    """tiktoken's rule: merge the neighbours that make the word of the lowest rank."""
    parts = [bytes([byte]) for byte in text]
    while True:
        pairs = [ranks.get(a + b, 10**9) for a, b in pairwise(parts)]
        if not pairs or min(pairs) == 10**9:
            return [ranks[part] for part in parts]
        at = pairs.index(min(pairs))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def test_llama_3s_vocabulary_merges_by_rank() -> None:
    words = tiktoken.read(tiktoken_words(), "here")
    ours = as_tokenizer(words)
    lines = [line.split() for line in tiktoken_words().splitlines()]
    ranks = {base64.b64decode(word): int(rank) for word, rank in lines}
    for text in ("the", "thing", "你", "theqing"):
        assert ours.encode(text).ids[1:] == by_ranks(text.encode(), ranks)
    assert words.words[264] == "<|begin_of_text|>"
    assert ours.encode("a<|eot_id|>").ids == [264, 97, words.special["eot"]]
    assert len(words.words) == 264 + 256
    assert model_file(words) == tiktoken_words() + b"\n"


def test_meta_gets_no_tokenizer_model_that_it_would_misread() -> None:
    words = tiktoken.read(tiktoken_words(), "here")
    assert model_file(replace(words, pre="smollm")) is None
    assert model_file(replace(words, words=[*words.words[:-1], "<|mine|>"])) is None


@pytest.mark.parametrize("pre", sorted(pretokenizers.STEPS))
def test_how_text_is_cut_has_one_name(pre: str) -> None:
    assert pretokenizers.named(pretokenizers.pre_tokenizer(pre, "here"), "here") == pre


@pytest.mark.parametrize(
    ("pre", "text", "pieces"),
    [
        (
            "llama-bpe",
            "I'll pay 12345!\n\n ok",
            ["I", "'ll", "Ġpay", "Ġ", "123", "45", "!ĊĊ", "Ġok"],
        ),
        ("qwen2", "I'll pay 12!", ["I", "'ll", "Ġpay", "Ġ", "1", "2", "!"]),
        ("smollm", "I'll pay 12!", ["I", "'ll", "Ġpay", "Ġ", "1", "2", "!"]),
        ("gpt-2", "I'll pay 12!", ["I", "'ll", "Ġpay", "Ġ12", "!"]),
        ("tekken", "fooBar 12!", ["foo", "Bar", "Ġ", "1", "2", "!"]),
    ],
)
def test_how_text_is_cut(pre: str, text: str, pieces: list[str]) -> None:
    words = replace(tiktoken.read(tiktoken_words(), "here"), pre=pre)
    tokenizer = as_tokenizer(words)
    cut = tokenizer.pre_tokenizer.pre_tokenize_str(text)
    assert [piece for piece, _ in cut] == pieces


def damaged(content: bytes) -> str:
    with pytest.raises(InputError) as error:
        sentencepiece.read(content, "tokenizer.model")
    return str(error.value)


def test_damaged_tokenizers_are_one_line(tmp_path: Path) -> None:
    whole = models.sentencepiece_model()
    truncated = "tokenizer.model is truncated or no model of SentencePiece; fetch it again"
    assert damaged(whole[: len(whole) // 2 + 1]) == truncated
    assert damaged(b"\xff" * 40) == truncated
    assert "of another algorithm than BPE" in damaged(b"")
    for content in (b"!!!! 0\n", b"YQ== one\n", b"YQ==\n"):
        with pytest.raises(InputError, match="is truncated or no vocabulary of tiktoken"):
            tiktoken.read(content, "tokenizer.model")
    with pytest.raises(InputError, match="its ranks are no list from 0 on"):
        tiktoken.read(b"YQ== 5\n", "tokenizer.model")


def test_other_tokenizers_are_named(tmp_path: Path) -> None:
    unigram = {"model": {"type": "Unigram", "vocab": []}}
    with pytest.raises(InputError) as error:
        tokenizer_json.read(unigram, {}, None, "tokenizer.json")
    assert (
        str(error.value) == "tokenizer.json: its tokenizer is of the type 'Unigram', expected BPE"
    )
    with pytest.raises(InputError) as error:
        pretokenizers.pre_tokenizer("martian", "model.gguf")
    assert str(error.value) == (
        "model.gguf: its tokenizer cuts text as 'martian' (tokenizer.ggml.pre), which byhand does "
        "not know; known are deepseek-r1-qwen, gpt-2, llama-bpe, llama-v3, llama3, qwen2, smollm, "
        "tekken"
    )
    with pytest.raises(
        InputError, match=r"cuts text with WhitespaceSplit in a way that byhand has"
    ):
        pretokenizers.named({"type": "WhitespaceSplit"}, "tokenizer.json")


def test_unigram_models_are_refused() -> None:
    out = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter([models.TEXT.strip()] * 50),
        model_writer=out,
        vocab_size=46,
        model_type="unigram",
        minloglevel=2,
    )
    assert damaged(out.getvalue()) == (
        "tokenizer.model is a SentencePiece model of another algorithm than BPE, the only one that "
        "byhand converts"
    )
