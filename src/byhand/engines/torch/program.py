"""A description as a PyTorch module, trained and asked as engines/program.py promises."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from byhand.engines.numpy import SHARED_WORK, at_once
from byhand.engines.program import (
    Array,
    Description,
    Evaluation,
    answers,
    are_answers,
    check_carried_state,
    check_recurrent_state,
    check_state,
    groups,
    layers_over_steps,
    may_refuse,
    own,
    readers,
    without_padding,
)
from byhand.engines.torch.device import check_amp, choose
from byhand.engines.torch.layers import Network
from byhand.engines.torch.losses import LOSSES, PENALTIES
from byhand.engines.torch.optimizers import CLIPPINGS, Stepper
from byhand.engines.torch.twins import twin_of
from byhand.engines.work import multiply_adds
from byhand.errors import InputError
from byhand.layers import Shape
from byhand.layers.embedding import check_ids
from byhand.layers.sequential import real_steps
from byhand.losses import are_labels, count


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
        loss = twin_of(d.loss, LOSSES, "loss", "losses.LOSSES")
        self._loss = partial(loss, **d.loss.settings)
        if d.regularizer is not None:
            table = "regularizer", "losses.PENALTIES"
            self._of_weights = twin_of(d.regularizer, PENALTIES, *table)
        if d.clipping is not None:
            self._clip = twin_of(d.clipping, CLIPPINGS, "clipping", "optimizers.CLIPPINGS")
        self._states: dict[str, Tensor] = {}
        self._compiled = compile
        self._pass = torch.compile(self._forward) if compile else self._forward
        self._outputs: dict[tuple[Shape, bool], Shape] = {}
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

    def recurrent_state(self) -> dict[str, Array]:
        return {name: self._array(value) for name, value in self._states.items()}

    def set_recurrent_state(self, values: Mapping[str, Array]) -> None:
        check_carried_state(values, self.description)
        self._states = self._given(values)

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
        self._check_batches(inputs, encoded, batch_size, len(losses))
        with self._at_work(inputs, batch_size):
            self._stepper.begin(first_step)
            for k, rate in enumerate(map(float, learning_rates)):
                part = slice(k * batch_size, (k + 1) * batch_size)
                before = self._statistics()
                x, t = without_padding(inputs[used[part]], encoded[part])
                loss, _, finals = self._backpropagate(x, t, first_step + k)
                losses[k] = loss
                if not math.isfinite(loss):
                    self._restore(before)
                    return losses[: k + 1]
                if self.description.clipping is not None:
                    gradients = [w.grad for w in self._trained.values() if w.grad is not None]
                    self._clip(self.description.clipping, gradients)
                self._stepper.step(rate)
                if self.description.carry_state:
                    self._states = finals
        return losses

    def gradients(
        self, inputs: Array, targets: Array, step: int | None = None
    ) -> tuple[float, dict[str, Array]]:
        encoded = self._encoded(inputs, targets)
        self._check_targets(inputs, encoded, len(inputs))
        with self._at_work(inputs, len(inputs)):
            before = self._statistics()
            x, t = without_padding(inputs, encoded)
            loss, penalty, _ = self._backpropagate(x, t, step)
            self._restore(before)
        # From the last layer to the first, as the chain rule goes.
        layers = reversed(self.description.model.layers)
        names = [f"{layer.name}.{symbol}" for layer in layers for symbol in layer.parameter_names]
        found = {n: w.grad for n in names if (w := self._trained.get(n)) is not None}
        return loss + penalty, {n: self._array(g) for n, g in found.items() if g is not None}

    def evaluate(self, inputs: Array, targets: Array, streams: int | None = None) -> Evaluation:
        encoded = self._encoded(inputs, targets)
        loss, asked, right = 0.0, 0, 0
        by_label = are_answers(targets)
        for part, y in self._in_parts(inputs, streams):
            answer = self._array(y)
            n = count(answer, targets[part])
            if len(y) and not n:
                continue  # a group of padding
            self._check_targets(inputs, encoded[part], len(y))
            loss += self._loss(y, self._tensor(encoded[part])).item() * n
            asked += n
            if by_label:
                named = answers(answer, self.description)
                right += int(np.count_nonzero(named == targets[part]))
        return Evaluation(
            loss / asked if asked else math.nan, right / len(inputs) if by_label else None
        )

    def predict(self, inputs: Array) -> Array:
        self._output_shape(inputs)
        outputs = [self._array(y) for _, y in self._in_parts(inputs)]
        return self.description.loss.probabilities(np.concatenate(outputs))

    def predict_from(
        self, inputs: Array, states: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        self._output_shape(inputs)
        given = self._given(states)
        self.network.eval()
        with self._at_work(inputs, len(inputs)), torch.no_grad():
            y, finals = self._outputs_of(inputs, given)
        answer = self.description.loss.probabilities(self._array(y))
        return answer, {name: self._array(state) for name, state in finals.items()}

    def activations(self, inputs: Array) -> dict[str, Array]:
        self._output_shape(inputs)
        self.network.eval()
        with self._at_work(inputs, len(inputs)), torch.no_grad(), self._autocast():
            outputs = self.network.activations(*self._read(inputs))
            return {name: self._array(y) for name, y in outputs.items()}

    def _backpropagate(
        self, x: Array, t: Array, step: int | None
    ) -> tuple[float, float, dict[str, Tensor]]:
        """The loss, the penalty and the final states; the gradients of the sum of the first two are
        left in the parameters."""
        d = self.description
        masks: Mapping[str, Array] = {}
        if step is not None:
            masks = d.model.draw_masks(len(x), x.shape[1:], d.seed, step, self.dtype)
        self.network.train(step is not None)
        self.network.zero_grad()
        self._check_states(x, self._states)
        with self._explained(x, masks):
            loss, finals = self._pass(
                *self._read(x),
                self._tensor(t),
                {name: self._tensor(mask) for name, mask in masks.items()},
                self._states,
            )
            penalty = self._penalty()
            torch.autograd.backward(loss + penalty)
        return loss.item(), penalty.item(), finals

    def _forward(
        self,
        x: Tensor,
        real: Tensor | None,
        t: Tensor,
        masks: Mapping[str, Tensor],
        states: Mapping[str, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with self._autocast():
            y, finals = self.network(x, masks, real, states)
        return self._loss(y.to(self._torch_dtype), t), self._constant(finals)

    def _penalty(self) -> Tensor:
        d = self.description
        none = torch.zeros((), dtype=self._torch_dtype, device=self.device)
        if d.regularizer is None:
            return none
        # In the model's order: that of a set of names changes from one process to the next.
        weights = (w for name, w in self._trained.items() if name in d.model.weight_names)
        factor = d.regularizer.strength / d.examples
        return sum((factor * self._of_weights(w) for w in weights), none)

    def _in_parts(
        self, inputs: Array, streams: int | None = None
    ) -> Iterator[tuple[slice, Tensor]]:
        """The outputs in evaluation, for some examples at a time; with streams each part goes on
        from where the one before it ended."""
        self.network.eval()
        parts = groups(inputs, streams, at_once(inputs))
        states: dict[str, Tensor] = {}
        with self._at_work(inputs, min(len(inputs), streams or at_once(inputs))), torch.no_grad():
            for part in parts:
                y, finals = self._outputs_of(inputs[part], states)
                states = finals if streams else {}
                yield part, y

    def _outputs_of(
        self, inputs: Array, states: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        self._check_states(inputs, states)
        x, real = self._read(inputs)
        with self._autocast():
            y, finals = self.network(x, {}, real, states)
        return y.to(self._torch_dtype), self._constant(finals)

    def _encoded(self, inputs: Array, targets: Array) -> Array:
        """The targets as the loss takes them."""
        classes = self._output_shape(inputs)[-1]
        encoded = self.description.loss.encode(targets, classes, self.dtype)
        return encoded.astype(np.int64, copy=False) if are_labels(encoded) else encoded

    def _check_batches(self, inputs: Array, encoded: Array, batch_size: int, steps: int) -> None:
        """Refuse targets of a batch: the last may have too few, and any a label that is wrong or
        nothing but padding."""
        firsts = range(0, steps * batch_size, batch_size)
        if not are_labels(encoded) or _usual(encoded, self._output_shape(inputs)[-1]):
            firsts = firsts[-1:]
        for first in firsts:
            batch = encoded[first : first + batch_size]
            self._check_targets(inputs, batch, len(batch))

    def _check_targets(self, inputs: Array, encoded: Array, examples: int) -> None:
        """Refuse targets as the loss itself does, which is asked about made-up outputs."""
        y = np.zeros((examples, *self._output_shape(inputs)), self.dtype)
        with np.errstate(all="ignore"):
            self.description.loss.forward(y, encoded)

    def _check_states(self, x: Array, states: Mapping[str, Tensor]) -> None:
        """Refuse states that a layer does not read on from, in its own words."""
        layers = layers_over_steps(self.description.model) if states else {}
        if any(may_refuse(layers[name], state, x) for name, state in states.items()):
            given = {name: self._array(state) for name, state in states.items()}
            self.description.model.forward(own(x, self.dtype), states=given)

    def _output_shape(self, inputs: Array) -> Shape:
        """Of one example.

        Raises      ShapeError, DTypeError where the model does not take it, in its own words
        """
        example, ids = inputs.shape[1:], are_labels(inputs)
        if (example, ids) not in self._outputs:
            nothing = np.zeros((1, *example), np.int64 if ids else self.dtype)
            with np.errstate(all="ignore"):
                y, _ = self.description.model.forward(nothing)
            self._outputs[example, ids] = y.shape[1:]
        return self._outputs[example, ids]

    def _statistics(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.network.named_buffers()}

    def _restore(self, statistics: Mapping[str, Tensor]) -> None:
        for name, value in self.network.named_buffers():
            value.copy_(statistics[name])

    def _read(self, inputs: Array) -> tuple[Tensor, Tensor | None]:
        """The inputs as the network takes them, and which steps are real where some are not.

        Raises      InputError for an id that has no row
        """
        x = own(inputs, self.dtype)
        real, reading = real_steps(x), readers(self.description.model, x)
        for layer, ids in reading:
            check_ids(layer, ids)
        if reading:
            x = x.astype(np.int64, copy=False)
        return self._tensor(x), None if real is None else self._tensor(real)

    def _given(self, states: Mapping[str, Array]) -> dict[str, Tensor]:
        check_recurrent_state(states, self.description.model)
        return {name: self._tensor(value.astype(self.dtype)) for name, value in states.items()}

    def _constant(self, states: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """States to start from: for the derivative they are given."""
        return {name: state.detach().to(self._torch_dtype) for name, state in states.items()}

    def _tensor(self, value: Array) -> Tensor:
        return torch.tensor(value, device=self.device)

    def _array(self, value: Tensor) -> Array:
        copied = value.detach().to("cpu", self._torch_dtype, copy=True)
        array: Array = copied.contiguous().numpy()
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
                self.description.model.forward(own(x, self.dtype), masks)
            if self._compiled and "torch._" in type(error).__module__:
                raise InputError(_why_not_compiled(error)) from None
            raise


def _why_not_compiled(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    # The line with its reason comes after the one that says who found it.
    first = next((line for line in lines if not line.endswith("raised:")), lines[0])
    return (
        f"torch.compile cannot compile this model here: {first}; it needs a C++ compiler (g++ or "
        f"clang++) on the PATH; without compile the model trains as well"
    )


def _usual(labels: Array, classes: int) -> bool:
    """Whether all of them ask for a class that there is."""
    return bool(labels.min(initial=0) >= 0 and labels.max(initial=0) < classes)
