"""A description as a PyTorch module, trained and asked as engines/program.py promises."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from byhand.engines.numpy import EVALUATION_BATCH, SHARED_WORK
from byhand.engines.program import Array, Description, Evaluation, answers, check_state
from byhand.engines.torch.device import check_amp, choose
from byhand.engines.torch.layers import Network
from byhand.engines.torch.losses import LOSSES, PENALTIES
from byhand.engines.torch.optimizers import CLIPPINGS, Stepper
from byhand.engines.torch.twins import twin_of
from byhand.engines.work import multiply_adds
from byhand.errors import InputError
from byhand.layers import Shape
from byhand.losses import are_labels


class TorchProgram:
    """The description's model as `network`, on a device of PyTorch's.

    threads     for operations on the CPU; by default PyTorch's own choice
    device      auto, cpu, cuda or mps
    compile     let torch.compile make one program of the training pass
    amp         compute products in bfloat16 where it is safe (automatic mixed precision)
    Raises      InputError for a part without a twin, a device that is not there, and amp in float64
    """

    def __init__(
        self,
        description: Description,
        threads: int | None = None,
        device: str = "auto",
        compile: bool = False,
        amp: bool = False,
    ) -> None:
        model = copy.deepcopy(description.model)
        self.description = d = replace(description, model=model)
        self.dtype = next(iter(model.parameters.values())).dtype
        self.device = choose(device, str(self.dtype))
        if amp:
            check_amp(self.device, str(self.dtype))
        self._amp = amp
        self._threads = threads
        self.network = Network(model).to(self.device)
        self._torch_dtype = next(self.network.parameters()).dtype
        self._trained = dict(self.network.named_parameters())
        self._stepper = Stepper(d.optimizer, self._trained, model.weight_names)
        self._loss = twin_of(d.loss, LOSSES, "loss", "losses.LOSSES")
        if d.regularizer is not None:
            table = "regularizer", "losses.PENALTIES"
            self._of_weights = twin_of(d.regularizer, PENALTIES, *table)
        if d.clipping is not None:
            self._clip = twin_of(d.clipping, CLIPPINGS, "clipping", "optimizers.CLIPPINGS")
        self._compiled = compile
        self._pass = torch.compile(self._forward) if compile else self._forward
        self._outputs: dict[Shape, Shape] = {}
        self._work: dict[Shape, int] = {}

    def parameters(self) -> dict[str, Array]:
        state = self.network.state_dict()
        return {name: self._array(state[name]) for name in self.description.model.parameters}

    def set_parameters(self, values: Mapping[str, Array]) -> None:
        own = {name: value.astype(self.dtype) for name, value in values.items()}
        self.description.model.set_parameters(own)
        self.network.load_state_dict({name: torch.tensor(value) for name, value in own.items()})

    def optimizer_state(self) -> dict[str, Array]:
        return {name: self._array(value) for name, value in self._stepper.state.items()}

    def set_optimizer_state(self, values: Mapping[str, Array]) -> None:
        check_state(values, self.optimizer_state())
        self._stepper.state = {name: self._tensor(values[name]) for name in self._stepper.state}

    def train(
        self,
        inputs: Array,
        targets: Array,
        order: NDArray[np.int64],
        batch_size: int,
        first_step: int,
        learning_rates: Sequence[float],
    ) -> NDArray[np.float64]:
        if not len(learning_rates):
            return np.empty(0)
        losses = np.empty(len(learning_rates))
        used = order[: len(losses) * batch_size]
        encoded = self._encoded(inputs, targets[used])
        last_batch = encoded[(len(losses) - 1) * batch_size :]
        self._check_targets(inputs, last_batch, len(last_batch))
        with self._at_work(inputs, batch_size):
            self._stepper.begin(first_step)
            for k, rate in enumerate(map(float, learning_rates)):
                part = slice(k * batch_size, (k + 1) * batch_size)
                before = self._statistics()
                loss, _ = self._backpropagate(inputs[used[part]], encoded[part], first_step + k)
                losses[k] = loss
                if not math.isfinite(loss):
                    self._restore(before)
                    return losses[: k + 1]
                if self.description.clipping is not None:
                    gradients = [w.grad for w in self._trained.values() if w.grad is not None]
                    self._clip(self.description.clipping, gradients)
                self._stepper.step(rate)
        return losses

    def gradients(
        self, inputs: Array, targets: Array, step: int | None = None
    ) -> tuple[float, dict[str, Array]]:
        encoded = self._encoded(inputs, targets)
        self._check_targets(inputs, encoded, len(inputs))
        with self._at_work(inputs, len(inputs)):
            before = self._statistics()
            loss, penalty = self._backpropagate(inputs, encoded, step)
            self._restore(before)
        # From the last layer to the first, as the chain rule goes.
        layers = reversed(self.description.model.layers)
        names = [f"{layer.name}.{symbol}" for layer in layers for symbol in layer.parameter_names]
        found = {n: w.grad for n in names if (w := self._trained.get(n)) is not None}
        return loss + penalty, {n: self._array(g) for n, g in found.items() if g is not None}

    def evaluate(self, inputs: Array, targets: Array) -> Evaluation:
        encoded = self._encoded(inputs, targets)
        self._check_targets(inputs, encoded, len(inputs))
        by_label = are_labels(targets)
        loss, right = 0.0, 0
        for part, y in self._in_parts(inputs):
            loss += self._loss(y, self._tensor(encoded[part])).item() * len(y)
            if by_label:
                named = answers(self._array(y), self.description)
                right += int(np.count_nonzero(named == targets[part]))
        return Evaluation(loss / len(inputs), right / len(inputs) if by_label else None)

    def predict(self, inputs: Array) -> Array:
        self._output_shape(inputs)
        outputs = [self._array(y) for _, y in self._in_parts(inputs)]
        return self.description.loss.probabilities(np.concatenate(outputs))

    def activations(self, inputs: Array) -> dict[str, Array]:
        self._output_shape(inputs)
        self.network.eval()
        with self._at_work(inputs, len(inputs)), torch.no_grad(), self._autocast():
            outputs = self.network.activations(self._tensor(self._own(inputs)))
            return {name: self._array(y) for name, y in outputs.items()}

    def _backpropagate(self, x: Array, t: Array, step: int | None) -> tuple[float, float]:
        """The loss and the penalty; the gradients of their sum are left in the parameters."""
        d = self.description
        masks: Mapping[str, Array] = {}
        if step is not None:
            masks = d.model.draw_masks(len(x), x.shape[1:], d.seed, step, self.dtype)
        self.network.train(step is not None)
        self.network.zero_grad()
        x = self._own(x)
        with self._explained(x, masks):
            loss = self._pass(
                self._tensor(x),
                self._tensor(t),
                {name: self._tensor(mask) for name, mask in masks.items()},
            )
            penalty = self._penalty()
            torch.autograd.backward(loss + penalty)
        return loss.item(), penalty.item()

    def _forward(self, x: Tensor, t: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
        with self._autocast():
            y = self.network(x, masks)
        return self._loss(y.to(x.dtype), t)

    def _penalty(self) -> Tensor:
        d = self.description
        none = torch.zeros((), dtype=self._torch_dtype, device=self.device)
        if d.regularizer is None:
            return none
        # In the model's order: that of a set of names changes from one process to the next.
        weights = (w for name, w in self._trained.items() if name in d.model.weight_names)
        factor = d.regularizer.strength / d.examples
        return sum((factor * self._of_weights(w) for w in weights), none)

    def _in_parts(self, inputs: Array) -> Iterator[tuple[slice, Tensor]]:
        """The outputs in evaluation, for some examples at a time."""
        self.network.eval()
        with self._at_work(inputs, min(len(inputs), EVALUATION_BATCH)), torch.no_grad():
            for first in range(0, max(1, len(inputs)), EVALUATION_BATCH):
                part = slice(first, first + EVALUATION_BATCH)
                x = self._tensor(self._own(inputs[part]))
                with self._autocast():
                    y = self.network(x, {})
                yield part, y.to(x.dtype)

    def _encoded(self, inputs: Array, targets: Array) -> Array:
        """The targets as the loss takes them."""
        return self.description.loss.encode(targets, self._output_shape(inputs)[-1], self.dtype)

    def _check_targets(self, inputs: Array, encoded: Array, examples: int) -> None:
        """Refuse targets as the loss itself does, which is asked about made-up outputs."""
        y = np.zeros((examples, *self._output_shape(inputs)), self.dtype)
        with np.errstate(all="ignore"):
            self.description.loss.forward(y, encoded)

    def _output_shape(self, inputs: Array) -> Shape:
        """Of one example.

        Raises      ShapeError, DTypeError where the model does not take it, in its own words
        """
        example = inputs.shape[1:]
        if example not in self._outputs:
            with np.errstate(all="ignore"):
                y, _ = self.description.model.forward(np.zeros((1, *example), self.dtype))
            self._outputs[example] = y.shape[1:]
        return self._outputs[example]

    def _statistics(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.network.named_buffers()}

    def _restore(self, statistics: Mapping[str, Tensor]) -> None:
        for name, value in self.network.named_buffers():
            value.copy_(statistics[name])

    def _own(self, inputs: Array) -> Array:
        """The inputs in the model's dtype: a data set is float32, whatever the model is."""
        return inputs.astype(self.dtype, copy=False)

    def _tensor(self, value: Array) -> Tensor:
        return torch.tensor(value, device=self.device)

    def _array(self, value: Tensor) -> Array:
        array: Array = value.detach().to("cpu", self._torch_dtype, copy=True).numpy()
        return array

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._amp)

    @contextmanager
    def _at_work(self, inputs: Array, examples: int) -> Iterator[None]:
        """No more threads than help, as in the NumPy engine; and on Nvidia's GPUs the arithmetic of
        float32: cuDNN would round to 10 bits, and sum in an order that changes from run to run."""
        example = inputs.shape[1:]
        if example not in self._work:
            self._work[example] = max(multiply_adds(self.description.model, example), default=0)
        before = torch.get_num_threads()
        small = examples * self._work[example] < SHARED_WORK
        torch.set_num_threads(1 if small else self._threads or before)
        try:
            with ExitStack() as stack:
                if self.device.type == "cuda":
                    exact = torch.backends.cudnn.flags(deterministic=True, allow_tf32=False)
                    stack.enter_context(exact)
                yield
        finally:
            torch.set_num_threads(before)

    @contextmanager
    def _explained(self, x: Array, masks: Mapping[str, Array]) -> Iterator[None]:
        """Let what PyTorch does not take be refused in the layer's own words, and what
        torch.compile stumbles over in one line."""
        try:
            yield
        except Exception as error:
            if isinstance(error, ValueError):
                self.description.model.forward(x, masks)
            if self._compiled and "torch._" in type(error).__module__:
                raise InputError(_why_not_compiled(error)) from None
            raise


def _why_not_compiled(error: Exception) -> str:
    first = str(error).strip().splitlines()[0]
    return (
        f"torch.compile cannot compile this model here: {first}; it needs a C++ compiler (g++ or "
        f"clang++) on the PATH; without compile the model trains as well"
    )
