"""The model that is trained: transformers' with PEFT's adapters in it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from byhand.errors import InputError
from byhand.language.adapters import changes
from byhand.language.building import TYPES
from byhand.language.finetune_data import IGNORED, Example
from byhand.language.finetune_settings import ALPHA, Settings
from byhand.language.sources import NO_EXTRA, Source

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""ids and labels, each [batch, time]"""
CLIP = 1.0
"""The largest norm of all gradients together."""
MOMENTS = ("exp_avg", "exp_avg_sq")
STEP = 16
"""Of the sizes of a batch: they are rounded up to a multiple. In 16 bits PyTorch makes kernels for
each size and keeps 1,024 of them (oneDNN): new sizes at every step came to 10 MB a step, and in the
end to more than 1 GB."""


def collated(examples: Sequence[Example]) -> Batch:
    """One batch; examples are filled up at their end, where nothing that counts sees it."""
    shape = len(examples), rounded(max(len(example.ids) for example in examples))
    ids, labels = np.zeros(shape, np.int64), np.full(shape, IGNORED, np.int64)
    for k, example in enumerate(examples):
        ids[k, : len(example.ids)] = example.ids
        labels[k, : len(example.ids)] = example.labels
    return ids, labels


def rounded(size: int) -> int:
    """Up to a multiple of `STEP`."""
    return -(-size // STEP) * STEP


class Adapted:
    """A frozen model with adapters that learn.

    base        what the adapter will call the model that it belongs to

    Raises      InputError where transformers or PEFT is missing
    """

    def __init__(self, source: Source, base: str, settings: Settings, device: torch.device) -> None:
        try:
            from peft import LoraConfig, get_peft_model
        except ImportError:
            raise InputError(
                f"adapters are trained with PEFT and transformers: {NO_EXTRA}"
            ) from None
        self.device = device
        model = _loaded(source, TYPES[settings.dtype]).to(device)
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=ALPHA * settings.rank,
            target_modules=list(settings.targets),
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(), warnings.catch_warnings():
            # PEFT asks transformers for a name that transformers is about to give up.
            warnings.simplefilter("ignore", FutureWarning)
            torch.manual_seed(settings.seed)
            self._model: Any = get_peft_model(model, config)
        # PEFT writes down where the model lies, which may be the cache.
        config.base_model_name_or_path = base
        self._inner: Any = self._model.get_base_model()
        self.parameters = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self.parameters.values(), weight_decay=0.0)

    @property
    def trained(self) -> int:
        """How many numbers learn."""
        return sum(p.numel() for p in self.parameters.values())

    def step(self, batch: Batch, learning_rate: float) -> float:
        """Learn from a batch; its mean loss before that, in nats per token that counts."""
        loss = self._backward(batch)
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), CLIP)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def trial(self, batch: Batch) -> None:
        """All of a step but the change."""
        self._backward(batch)
        self._optimizer.zero_grad()

    def loss_over(self, batches: Iterable[Batch]) -> float:
        """The mean loss over all tokens that count, in nats."""
        self._model.eval()
        total, tokens = 0.0, 0
        with torch.no_grad():
            for batch in batches:
                loss, count = self._loss(batch)
                total += float(loss)
                tokens += count
        return total / tokens

    def _backward(self, batch: Batch) -> float:
        self._model.train()
        total, count = self._loss(batch)
        loss = total / count
        torch.autograd.backward(loss)
        return float(loss.detach())

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """The loss summed over what counts, and how many tokens that is. Only their logits are
        computed: they take most of the memory of a small model."""
        ids, labels = (torch.from_numpy(part).to(self.device) for part in batch)
        # Each sees what is before it, so what fills up the end needs no mask.
        hidden = self._inner.model(input_ids=ids, use_cache=False).last_hidden_state
        targets, hidden = labels[:, 1:].flatten(), hidden[:, :-1].flatten(0, 1)
        counted = (targets != IGNORED).nonzero().flatten()
        count = len(counted)
        # The first position, which nothing is said about where it is there once more.
        more = counted.new_zeros(rounded(count) - count)
        scores = self._inner.lm_head(hidden[torch.cat([counted, more])]).float()
        filled = torch.cat([targets[counted], torch.full_like(more, IGNORED)])
        loss = cross_entropy(scores, filled, ignore_index=IGNORED, reduction="sum")
        return loss, count

    def adapter(self) -> tuple[Any, dict[str, torch.Tensor]]:
        """PEFT's configuration of the adapter, and its matrices by the names PEFT gives them."""
        from peft import get_peft_model_state_dict

        found = get_peft_model_state_dict(self._model, save_embedding_layers=False)
        matrices = {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}
        return self._model.peft_config["default"], matrices

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the next step depends on, but its number."""
        found: dict[str, NDArray[Any]] = {}
        for name, parameter in self.parameters.items():
            found[name] = parameter.detach().cpu().numpy()
            for moment in MOMENTS:
                kept = self._optimizer.state.get(parameter)
                if kept:
                    found[f"{moment}.{name}"] = kept[moment].cpu().numpy()
        return found

    def restore(self, state: dict[str, NDArray[Any]], step: int) -> None:
        """As `state` gave it, after so many steps."""
        for name, parameter in self.parameters.items():
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(state[name]))
            if step:
                self._optimizer.state[parameter] = {
                    "step": torch.tensor(float(step)),
                    **{
                        moment: torch.from_numpy(state[f"{moment}.{name}"]).to(self.device)
                        for moment in MOMENTS
                    },
                }


def _loaded(source: Source, dtype: torch.dtype) -> Any:
    """transformers' model, with the adapters that were there before in its weights."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            source.checkpoint.path, dtype=dtype, local_files_only=True
        )
    finally:
        if shown:
            bars.enable_progress_bar()
    if source.adapters:
        change = changes(source.adapters, set(source.checkpoint.tensors))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(change(name, parameter))
    return model


def peak_bytes(device: torch.device) -> int:
    """The most memory that this process has had: of the GPU's where it computes on one."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most << 10)
