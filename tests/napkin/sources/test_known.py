"""Known names: every published count, and how a name may be written."""

from __future__ import annotations

from typing import Any

import pytest

from byhand.napkin.sources import known
from byhand.napkin.tensors import Model

ROWS = known.rows()
EXACT = [row for row in ROWS if "parameters" in row["published"]]
ROUNDED = [row for row in ROWS if "parameters_rounded" in row["published"]]
ACTIVE = [row for row in ROWS if "active_rounded" in row["published"]]


def name(row: dict[str, Any]) -> str:
    return str(row["name"])


def found(text: str) -> Model:
    model = known.find(text)
    assert model is not None, text
    return model


def test_there_are_enough_published_figures() -> None:
    assert len(EXACT) >= 50
    assert len(ROUNDED) + len(ACTIVE) >= 15


@pytest.mark.parametrize("row", EXACT, ids=name)
def test_the_count_is_the_published_integer(row: dict[str, Any]) -> None:
    assert found(row["name"]).parameters == row["published"]["parameters"]


@pytest.mark.parametrize("row", ROUNDED, ids=name)
def test_the_count_rounds_to_the_published_one(row: dict[str, Any]) -> None:
    published = row["published"]
    within = published["within"]
    assert found(row["name"]).parameters == pytest.approx(
        published["parameters_rounded"], rel=within
    )


@pytest.mark.parametrize("row", ACTIVE, ids=name)
def test_what_a_token_uses_is_as_published(row: dict[str, Any]) -> None:
    model, published = found(row["name"]), row["published"]
    active = model.parameters_active
    if published.get("active_without_embedding"):
        active -= sum(tensor.parameters for tensor in model.of(("embedding",)))
    assert active == pytest.approx(published["active_rounded"], rel=published["active_within"])


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_row_says_where_it_is_from(row: dict[str, Any]) -> None:
    assert row["source"].startswith("https://")
    assert row["published"]["source"].startswith("https://")
    assert found(row["name"]).source == row["source"]


def test_names_differ() -> None:
    every = [text for row in ROWS for text in (row["name"], *row.get("aliases", ()))]
    assert len({text.lower() for text in every}) == len(every)
    for row in ROWS:
        for text in (row["name"], *row.get("aliases", ()), row.get("repository", row["name"])):
            assert found(text).name == row["name"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("llama-2-7b", "Llama-2-7B"),
        ("Llama 2 7B", "Llama-2-7B"),
        ("LLAMA2_7B", "Llama-2-7B"),
        ("meta-llama/Llama-2-7b-chat-hf", "Llama-2-7B"),
        ("llama-7b", "Llama-1-7B"),
        ("Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("gpt2", "GPT-2"),
        ("gpt2-xl", "GPT-2-XL"),
        ("gpt-3", "GPT-3-175B"),
        ("mixtral-8x7b-instruct-v0.1", "Mixtral-8x7B"),
        ("vit-b/16", "ViT-B/16"),
        ("google/vit-base-patch16-224", "ViT-B/16"),
        ("bert-base", "BERT-base"),
        ("google-bert/bert-large-uncased", "BERT-large"),
        ("gemma-3-1b-it", "Gemma-3-1B"),
        ("SmolLM2-135M-Instruct", "SmolLM2-135M"),
        ("deepseek-ai/DeepSeek-V3", "DeepSeek-V3"),
    ],
)
def test_spellings(text: str, expected: str) -> None:
    assert found(text).name == expected


@pytest.mark.parametrize("text", ["bert-base-cased", "mistral-7b-v0.2", "llama", "7b", "gpt-4"])
def test_another_model_is_not_taken_for_a_known_one(text: str) -> None:
    assert known.find(text) is None


def test_the_note_of_a_row_is_among_what_is_assumed() -> None:
    note = "the text model is counted; its vision tower of 0.4B is left out"
    assert note in found("Gemma-3-4B").assumed
