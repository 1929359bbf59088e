"""The experiments on sequences and on language models: each finds what its caption says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import checkpoints

from ..checkpoints import models


def test_a_gradient_through_time_is_a_product_and_a_weight_has_a_share_of_each_step(
    run: Any,
) -> None:
    found = run("unrolled")
    assert sum(found.shares) == pytest.approx(found.measured, rel=1e-8)
    assert found.dh[0] / found.dh[-1] == pytest.approx(np.prod(found.factors), rel=1e-12)
    assert found.shares[0] == 0  # the first step starts from a state of zero
    assert max(found.factors) < 0.65


@pytest.mark.slow
def test_an_rnn_forgets_as_a_power_and_more_once_it_has_learned(run: Any) -> None:
    found = run("forgetting", steps=100)
    for start, g in (("orthogonal", 1), ("N(0, 1/n)", 1), ("N(0, 4/n)", 2)):
        before, after = (found[start, when] for when in ("at the start", "after training"))
        # The variance's factor, and a straight line on a logarithmic axis.
        assert before.g == pytest.approx(g, rel=0.03)
        assert before.per_step() == pytest.approx(before.g * before.slope, rel=0.07)
        fit = np.polyfit(np.arange(10, 61), np.log(before.left[10:61]), 1)
        assert np.exp(fit[0]) == pytest.approx(before.per_step(), rel=0.01)
        assert after.per_step() < before.per_step() - 0.05
        for way in (before, after):
            assert np.all(way.left[1:] < way.most[1:])
            assert np.all(way.most <= way.of_weights ** np.arange(len(way.most)) * (1 + 1e-9))
    assert found["orthogonal", "at the start"].of_weights == pytest.approx(1)
    assert found["N(0, 4/n)", "at the start"].left[90] > 1e3


@pytest.mark.slow
def test_clipping_saves_the_start_that_explodes_and_leaves_the_other(run: Any) -> None:
    found = run("clipping", steps=80)
    free, clipped = (np.array(found.walk[name]) for name in ("as it is", "clipped"))
    assert np.abs(np.diff(free)).max() > 1
    assert free[-1] < free[0]
    assert np.abs(np.diff(clipped)).max() <= 0.05 + 1e-12
    assert clipped[-1] > 1.2
    end = {key: losses[-20:].mean() for key, losses in found.losses.items()}
    assert found.norms["N(0, 4/n)", "as it is"].max() > 1000
    assert end["N(0, 4/n)", "as it is"] > 5
    assert end["N(0, 4/n)", "clipped at 1"] < 3.6
    tame = [end["N(0, 1/n)", name] for name in ("as it is", "clipped at 1")]
    assert tame[0] == pytest.approx(tame[1], abs=0.1)


@pytest.mark.slow
def test_gates_start_half_shut_and_a_bias_opens_them(run: Any) -> None:
    found = run("through_gates", steps=100)
    start = {name: way for (name, when), way in found.items() if when == "at the start"}
    biases = [start[f"LSTM, forget bias {bias}"] for bias in (0, 1, 3)]
    opened = [1 / (1 + np.exp(-bias)) for bias in (0, 1, 3)]
    np.testing.assert_allclose([way.gate for way in biases], opened, atol=0.01)
    assert biases[0].left[50] < 1e-4 < start["RNN"].left[50] < biases[1].left[50] < 0.1
    assert 0.1 < biases[2].left[50] < biases[2].left[90]
    assert start["GRU"].gate == pytest.approx(0.5, abs=0.01)
    assert start["GRU"].left[50] < 1e-5
    for (name, when), way in found.items():
        if when == "after training":
            assert way.loss < start[name].loss - 0.5
            assert way.left[20] < 0.1
    assert found["GRU", "after training"].gate < 0.2
    assert found["LSTM, forget bias 3", "after training"].gate > 0.85
    assert found["LSTM, forget bias 3", "after training"].slope < 0.3


@pytest.mark.slow
def test_gates_add_where_an_rnn_cannot_and_copy_where_they_start_open(run: Any) -> None:
    found = run("copy_and_adding", gaps=(20,), seeds=1, budget=400, mixed_gap=30, reach=30)
    copied, added = (
        {name: trials[20][0].steps for name, trials in found.trials[task].items()}
        for task in ("copying", "adding")
    )
    assert added["GRU"] is not None
    assert added["RNN, orthogonal"] is None
    assert copied["LSTM, forget bias 0"] is None
    assert copied["GRU, update bias 3"] < copied["GRU"]
    assert copied["RNN, orthogonal"] < copied["GRU"]
    assert found.mixed["GRU"][0].steps is not None  # what it cannot where all gaps are long
    left = {name: float(left[-1]) for name, left in found.left.items()}
    assert left["RNN, orthogonal"] < 0.05 < left["GRU"]


@pytest.mark.slow
def test_a_network_that_writes_passes_counting(run: Any) -> None:
    found = run("writing_shakespeare", hidden=48, epochs=2, part=4000)
    assert found.counting[0] == pytest.approx(3.3, abs=0.1)
    assert found.counting[1] < found.counting[0] - 0.5
    assert found.losses[1] < found.losses[0] < found.counting[0]
    assert {len(sample) for sample in found.samples.values()} == {len("ROMEO:") + 160}
    assert all(sample.startswith("ROMEO:") for sample in found.samples.values())
    assert found.cells.found
    assert all(abs(each.chosen) <= 1 and abs(each.r) <= 1 for each in found.cells.found)


def test_an_adapter_learns_and_says_how_much_it_changed(run: Any, tmp_path: Path) -> None:
    base = models.folder(tmp_path / "base", "llama")
    said = [{"role": "user", "content": "the fox?"}, {"role": "assistant", "content": "a lazy dog"}]
    data = tmp_path / "said.jsonl"
    data.write_text("\n".join([json.dumps({"messages": said})] * 20), "utf-8")
    how = {"model": str(base), "data": str(data), "steps": 20, "context": 32, "dtype": "f32"}
    found = run("adapters", run=str(tmp_path / "lora"), how=how | {"learning_rate": 0.01})
    rows = found.progress.rows
    assert rows[-1]["validation_loss"] < 0.7 * rows[0]["validation_loss"]
    assert found.of == 102_720
    assert list(found.changes) == ["q", "k", "v", "o", "gate", "up", "down"]
    assert all(len(sizes) == 2 and min(sizes) > 0 for sizes in found.changes.values())


def test_each_byte_of_three_files_is_accounted_for(run: Any) -> None:
    found = run("somebody_elses_weights")
    counts = {name: np.bincount(kinds, minlength=4) for name, kinds in found.items()}
    assert {name: int(count[3]) for name, count in counts.items()} == {
        "safetensors": 2 * 472,
        "GGUF": 2 * 472 + 2 * 24,  # three vectors of eight are in float32
        ".pth": 2 * 472,
    }
    assert counts["safetensors"][0] == 8
    assert counts["GGUF"][2] < 32  # of padding: all but one tensor fill their 32 bytes
    assert all(len(found[".pth"]) > len(found[name]) for name in ("safetensors", "GGUF"))


@pytest.mark.slow
def test_blocks_made_again_cost_nothing_and_others_do(run: Any, tmp_path: Path) -> None:
    base = models.folder(tmp_path / "base", "llama")
    published = tmp_path / "published.gguf"
    checkpoints.quantize(base, published, "q4_1")
    found = run("how_many_bits", model=str(published), kinds=("q8_0", "q4_1"), tokens=120)
    (original, again), (other, eight, four) = found.published, found.rows
    assert again.kl < 1e-3 < eight.kl < four.kl
    # The neurons of another order compute the same, up to the rounding to bfloat16.
    assert other.perplexity == pytest.approx(original.perplexity, rel=0.05)
    assert other.bits == pytest.approx(16, rel=0.01)
    assert len(found.parts) == 8
    assert sum(share for _, share in found.parts.values()) < 1  # the head is none of them
    assert all(0 < kl < 10 * four.kl for kl, _ in found.parts.values())


@pytest.mark.slow
def test_without_the_root_attention_loses_its_derivative(run: Any) -> None:
    found = run("paying_attention")
    assert found.left["q·k"][-1] < 0.1
    assert found.left["q·k/√d"].min() > 0.85
    assert found.largest["q·k"][-1] > 0.9
    assert found.largest["q·k/√d"].max() < 0.2
    np.testing.assert_allclose(found.spread["q·k/√d"][2:], 1, atol=0.1)


@pytest.mark.slow
def test_post_norm_has_its_largest_gradient_near_the_end(run: Any) -> None:
    norms = {place: each.mean(axis=0) for place, each in run("attention_only").norms.items()}
    assert norms["post"].argmax() >= len(norms["post"]) - 3
    assert norms["pre"].argmax() < 3
    assert np.all(norms["post"] > norms["pre"])
    assert 5 < norms["post"][-1] / norms["pre"][-1] < 8


@pytest.mark.slow
def test_an_exported_llama_differs_by_rounding_and_a_quantised_one_by_its_bits(
    run: Any, tmp_path: Path
) -> None:
    small = ("data.vocabulary=270", "data.steps=32", "training.steps_per_epoch=10")
    changes = (*small, "training.engine=numpy", "training.epochs=2")
    found = run("your_own_language_model", run=str(tmp_path / "mine"), changes=changes)
    assert found.steps == [10, 20]
    assert found.losses["validation"][1] < found.losses["validation"][0]
    exported, eight, q8, q4 = (np.median(form.apart) for form in found.forms.values())
    assert exported < 1e-5
    assert 100 * exported < min(eight, q8)
    assert max(eight, q8) < q4 / 3
    assert next(iter(found.forms.values())).same > 0.995
