"""Small models with numbers at random and a real tokenizer, in transformers' own classes, and what
transformers and llama.cpp compute with them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

from byhand.checkpoints import tokenizer_json
from byhand.checkpoints.vocabulary import Vocabulary

transformers.utils.logging.disable_progress_bar()
TEXT = "the quick brown fox jumps over the lazy dog, it's 2026 and we'll see 12345 Ünïcödé — 你好\n"
SAMPLES = (
    "the quick brown fox",
    " it's 12345,\n\n  the lazy dog ",
    "Ünïcödé — 你好 🙂\tend",
    "<s>the<|im_end|>dog",
    "",
)
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}"
PROMPT = (3, 40, 7, 250, 9, 12, 99, 31, 5, 64, 200, 17)
SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
GEMMA_SIZES = SIZES | {
    "num_hidden_layers": 7,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "sliding_window": 8,
    "hidden_size": 48,
}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rms_norm_eps": 1e-5}),
    "llama-tied": ("Llama", {"tie_word_embeddings": True, "num_key_value_heads": 4}),
    "llama-3": ("Llama", {"rope_parameters": LLAMA3}),
    "llama-biased": ("Llama", {"attention_bias": True}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True, "rope_parameters": {"rope_theta": 1e6}}),
    "qwen3": ("Qwen3", {"head_dim": 32}),
    "gemma3": ("Gemma3", GEMMA_SIZES),
}
"""By name: transformers' class, and what is not as in `SIZES`."""


def model(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """A model of this kind; the same numbers each time."""
    kind, settings = CONFIGS[name]
    config_class = "Gemma3TextConfig" if kind == "Gemma3" else f"{kind}Config"
    config = getattr(transformers, config_class)(**SIZES | settings)
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}ForCausalLM")(config)
    with torch.no_grad():
        for parameter in made.parameters():
            # The classes begin with norms of 1 and biases of 0, which would hide much.
            scale = 0.2 if parameter.dim() == 1 else 0.3
            parameter.add_(scale * torch.randn(parameter.shape))
    return made.to(dtype).eval()


def folder(
    path: Path, name: str, dtype: torch.dtype = torch.float32, tokenizer: str = "byte-level"
) -> Path:
    """The model with a tokenizer, as transformers saves them."""
    made = model(name, dtype)
    made.generation_config.update(do_sample=True, temperature=0.5, top_k=20, bos_token_id=1)
    made.save_pretrained(path)
    if tokenizer == "byte-level":
        byte_level().save_pretrained(path)
    else:
        for file, content in tokenizer_json.written(sentencepiece_words(), path).items():
            (path / file).write_bytes(content)
    (path / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n", "utf-8")
    return path


@cache
def byte_level() -> Any:
    """A byte-level tokenizer that cuts text as SmolLM2's does."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=316,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|im_end|>",
        unk_token="<unk>",
        chat_template=TEMPLATE,
    )


@cache
def sentencepiece_model() -> bytes:
    """A model that SentencePiece trained, with bytes to fall back on."""
    import io

    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([TEXT.strip()] * 50),
        model_writer=out,
        vocab_size=316,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        user_defined_symbols=["<turn>"],
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return out.getvalue()


def sentencepiece_words() -> Vocabulary:
    from byhand.checkpoints import sentencepiece

    return sentencepiece.read(sentencepiece_model(), "here")


def logits(model: Any, words: tuple[int, ...] = PROMPT) -> NDArray[np.float32]:
    with torch.no_grad():
        return model(torch.tensor([words])).logits[0].float().numpy()


def loaded(path: Path, dtype: str = "float32") -> Any:
    """As transformers loads a folder."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        path, dtype=getattr(torch, dtype)
    ).eval()


class LlamaCpp:
    """A GGUF file in llama.cpp."""

    def __init__(self, path: Path) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 256
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.cpuparams.n_threads = 1
        parameters.n_threads_http = 2
        parameters.verbosity = 0
        self.server = xllamacpp.Server(parameters)

    def log_probabilities(self, words: tuple[int, ...] = PROMPT) -> dict[int, float]:
        """Of what may follow, by the number of the word."""
        asked = {"prompt": list(words), "max_tokens": 1, "logprobs": 1000, "temperature": 0}
        answer = self.server.handle_completions(asked)
        first = answer["choices"][0]["logprobs"]["content"][0]
        return {entry["id"]: entry["logprob"] for entry in first["top_logprobs"]}

    def words(self, text: str) -> list[int]:
        """How it cuts a text."""
        import urllib.request

        content = {"content": text, "add_special": True, "parse_special": True}
        request = urllib.request.Request(
            f"{self.server.listening_address}/tokenize",
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return list(json.loads(answer.read())["tokens"])


def check_llama_cpp(path: Path, expected: NDArray[np.float32], most: float = 0.02) -> None:
    """llama.cpp's probabilities of the next word against logits of transformers."""
    # It says nothing about what may follow where that ends the text or is a part of a letter.
    letters = byte_level().convert_ids_to_tokens(range(len(byte_level())))
    plain = {k for k, letter in enumerate(letters) if k > 2 and letter.isascii()}
    last = max(k for k in range(len(PROMPT)) if int(expected[k].argmax()) in plain)
    found = LlamaCpp(path).log_probabilities(PROMPT[: last + 1])
    ours = torch.log_softmax(torch.from_numpy(expected[last]).double(), -1).numpy()
    assert len(found) > 100
    likely = {k: v for k, v in found.items() if v > -12}
    assert max(abs(ours[k] - v) for k, v in likely.items()) < most
    assert max(found, key=found.__getitem__) == int(ours.argmax())
