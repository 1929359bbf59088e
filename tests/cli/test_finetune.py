"""byhand finetune and byhand weights merge: what they say, and that nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byhand import language
from byhand.storage import read_tensors

from ..checkpoints import models

QUICK = ("--steps", "4", "--context", "32", "--dtype", "f32", "--device", "cpu", "--lora-rank", "4")
LONG = ("--steps", "20", *QUICK[2:])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models.folder(tmp_path_factory.mktemp("tiny"), "llama")


@pytest.fixture
def said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Conversations to learn from, in the working folder."""
    # Several threads wait for each other where tests share the processors.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"the fox {k}?"},
                {"role": "assistant", "content": "over the lazy dog"},
            ]
        }
        for k in range(20)
    ]
    path = folder / "said.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


@pytest.mark.slow
def test_an_adapter_from_data_to_merged_model(byhand: Any, tiny: Path, said: Path) -> None:
    result = byhand("finetune", str(tiny), "--data", "said.jsonl", "--out", "lora", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    patterns = [
        rf"model +{tiny}, f32",
        r"adapters +rank 4 on q, k, v, o, gate, up, down",
        r"trained +7,424 numbers beside 102,720 \(7\.2 %\)",
        r"data +said\.jsonl: 18 examples to learn from, 2 to check",
        r"training +4 steps of 4 examples",
        r"memory +0\.8 GB expected \(weights .* libraries 0\.80\), [\d.]+ free",
        r"validation loss \d\.\d{4} nats before; [\d.]+ s expected",
        *(rf"step {k}/4  loss \d\.\d{{4}}  validation \d\.\d{{4}}  [\d.]+ s" for k in (1, 2, 3, 4)),
        r"validation +\d\.\d{4} nats per token before, \d\.\d{4} after",
        r"time +[\d.]+ s, expected [\d.]+ s",
        r"memory +[\d.]+ GB at most, expected 0\.8",
    ]
    for line, pattern in zip(lines, patterns, strict=False):
        assert re.fullmatch(pattern, line), line
    assert lines.count("> the fox 9?") == 2
    assert lines.index("before") < lines.index("after")
    assert lines[-3:] == [
        "adapter  lora",
        "next     byhand chat lora",
        f"         byhand weights merge {tiny} lora TO_PATH",
    ]

    again = byhand("finetune", "--resume", "lora")
    assert again.exit_code == 0
    assert again.stdout.splitlines()[0] == "lora is finished, there is nothing to resume"

    merged = byhand("weights", "merge", str(tiny), "lora", "merged")
    assert (merged.exit_code, merged.stderr) == (0, "")
    assert merged.stdout.splitlines() == [
        "written     merged",
        "format      safetensors",
        "parameters  102,720 in 21 tensors",
        "next        byhand generate merged",
    ]
    one, other = (language.load(name, "cpu", "f32") for name in ("lora", "merged"))
    torch.testing.assert_close(
        one.logits(models.PROMPT), other.logits(models.PROMPT), rtol=1e-4, atol=1e-4
    )
    as_json = json.loads(byhand("weights", "merge", str(tiny), "lora", "m2", "--json").stdout)
    assert (as_json["path"], as_json["parameters"]) == ("m2", 102_720)


def test_as_json(byhand: Any, tiny: Path, said: Path) -> None:
    options = (*QUICK, "--targets", "attn", "--sample", "who?", "--seed", "3", "--json")
    result = byhand("finetune", str(tiny), "--data", "said.jsonl", "--out", "lora", *options)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["folder"], found["step"], found["steps"]) == ("lora", 4, 4)
    assert found["finished"]
    assert found["settings"]["targets"] == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert found["samples"]["prompt"] == [{"role": "user", "content": "who?"}]
    assert [row["step"] for row in found["rows"]] == [0, 1, 2, 3, 4]
    assert found["trained"] == 2 * 4 * (4 * 128 - 2 * 32)
    assert found["peak_bytes"] > 0
    assert found["expected"]["bytes"] > 8e8
    assert result.stderr.splitlines()[0].startswith("validation loss ")


# Within a validation's row it waits for a line: no step is taken while a signal is on its way.
WAITING = """
import sys
from byhand.cli import finetune, main
told = finetune.Lines.row
def row(self, session, found):
    told(self, session, found)
    sys.stdin.readline()
finetune.Lines.row = row
main()
"""


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, which waits after its first validation."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "finetune", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "COLUMNS")},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step "):
            return process
    raise AssertionError(process.communicate()[1])


@pytest.mark.slow
def test_ctrl_c_then_a_kill_then_the_end(byhand: Any, folder: Path, tiny: Path, said: Path) -> None:
    process = begun(folder, str(tiny), "--data", "said.jsonl", "--out", "lora", *LONG)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate("\n")
    assert (process.returncode, stderr) == (130, "")
    assert stdout == (
        "stopped at step 2 of 20, everything is saved; go on with: byhand finetune --resume lora\n"
    )
    assert language.load("lora", "cpu", "f32").name == "lora"

    killed = begun(folder, "--resume", "lora")
    killed.kill()
    killed.communicate()

    last = byhand("finetune", "--resume", "lora")
    assert (last.exit_code, last.stderr) == (0, "")
    lines = last.stdout.splitlines()
    # What the killed one had not yet written is done again.
    assert "goes on from step 2 of 20" in lines
    steps = [line for line in lines if line.startswith("step ")]
    assert [line[5:10] for line in steps] == [f"{k:2}/20" for k in range(4, 21, 2)]

    found = json.loads(byhand("finetune", "--resume", "lora", "--json").stdout)
    assert (found["step"], found["finished"]) == (20, True)
    assert [row["step"] for row in found["rows"]] == [0, *range(2, 21, 2)]
    tensors, _ = read_tensors("lora/state.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--data is missing; see byhand finetune --help"),
        (("--data", "said.jsonl"), "--out is missing; see byhand finetune --help"),
        (
            ("--data", "nothing.txt", "--out", "lora"),
            "nothing.txt does not exist; expected a text, or JSON Lines in .jsonl",
        ),
        (
            ("--data", "said.jsonl", "--out", "lora", "--steps", "2", "--epochs", "2"),
            "--steps and --epochs both say how long to train; give one of them",
        ),
        (
            ("--data", "said.jsonl", "--out", "lora", "--targets", "w"),
            "--targets: no matrices are called 'w'; there is q, k, v, o, gate, up, down, attn, mlp,"
            " all",
        ),
        (
            ("--resume", "lora", "--out", "lora"),
            "--resume has its data and its folder; leave --data and --out out",
        ),
        (
            ("--resume", "lora"),
            "lora has no finetune.json: byhand finetune made no adapter there",
        ),
        (
            ("--data", "said.jsonl", "--out", "."),
            ". exists already; choose another name or remove it",
        ),
    ],
)
def test_what_cannot_be_asked(
    byhand: Any, tiny: Path, said: Path, options: tuple[str, ...], message: str
) -> None:
    result = byhand("finetune", str(tiny), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {message}\n"


def test_what_cannot_be_merged(byhand: Any, tiny: Path) -> None:
    result = byhand("weights", "merge", str(tiny), str(tiny), "merged")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tiny} is no adapter: it has no adapter_config.json\n"
