"""One training step of a PyTorch module: what the napkin predicts beside what PyTorch keeps."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from byhand.errors import InputError
from byhand.napkin.example_inputs import candidates, shapes
from byhand.napkin.measure import OPTIMIZERS, Measurement, Term, optimizer_bytes
from byhand.napkin.saved_tensors import NOTHING, RULES, Keeps, flat, lstm_workspace, needs_gradient
from byhand.napkin.sources.module import make, run

if TYPE_CHECKING:
    import torch
    from torch import nn

Bytes = dict[str, int]
Kept = dict[str, Bytes]
"""Bytes by module and operation."""
OUTSIDE = "(the module itself)"


def measure_module(text: str, batch: int, context: int, optimizer: str) -> Measurement:
    """Run one step of the module that FILE.py::NAME or package.module:NAME means, on the CPU.

    Raises      InputError where there is none, its code fails, or its inputs cannot be guessed
    """
    module, inputs = make(text, device="cpu")
    module.train()
    notes: list[str] = []
    predicted, unknown, inputs = _predict(module, inputs, text, batch, context, notes)
    measured, weights, gradients, state = run(lambda: _step(module, inputs, optimizer, text), text)
    if unknown:
        notes.append(f"byhand has no rule for {', '.join(sorted(unknown))}: not in the prediction")
    parameters = list(module.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    learned = _size(trained)
    return Measurement(
        subject=text,
        inputs=shapes(inputs),
        activations=tuple(
            Term(
                name,
                sum(predicted.get(name, {}).values()),
                measured.get(name, 0),
                ", ".join(predicted.get(name, {})),
            )
            for name in dict.fromkeys([*predicted, *measured])
        ),
        weights=Term("weights", _size(parameters), weights),
        gradients=Term("gradients", learned, gradients),
        optimizer=Term(optimizer, optimizer_bytes(optimizer, learned, len(trained)), state),
        notes=tuple(notes),
    )


def _predict(
    module: nn.Module,
    inputs: tuple[Any, ...],
    text: str,
    batch: int,
    context: int,
    notes: list[str],
) -> tuple[Kept, set[str], tuple[Any, ...]]:
    """(what is kept, operations without a rule, the inputs that were used)."""
    if inputs:
        return *run(lambda: _shapes_only(module, inputs), text), inputs
    reason = ""
    for guess in candidates(module, batch, context):
        try:
            with contextlib.redirect_stdout(sys.stderr):
                predicted, unknown = _shapes_only(module, guess)
        except Exception as error:  # a wrong guess fails in whatever way the module likes
            reason = reason or str(error).partition("\n")[0]
            continue
        notes.append(f"the input {shapes(guess)} is a guess from the first layer")
        return predicted, unknown, guess
    raise InputError(
        f"{text}: no input fits that byhand can guess{f' ({reason[:80]})' if reason else ''}; "
        "let NAME be a function that returns (module, input)"
    )


def _shapes_only(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Kept, set[str]]:
    """Run the module on tensors that have shapes and no numbers, and apply the rules."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        tensors: dict[str, torch.Tensor] = {
            name: torch.nn.Parameter(fake.from_tensor(value.detach()), value.requires_grad)
            for name, value in module.named_parameters()
        }
        tensors |= {name: fake.from_tensor(value) for name, value in module.named_buffers()}
        given = tuple(fake.from_tensor(x) if torch.is_tensor(x) else x for x in inputs)
        with _inside(module) as where:
            rules = _rules(where, set(map(_storage, tensors.values())))
            with rules:
                torch.func.functional_call(module, tensors, given)
    return rules.kept, rules.unknown


def _rules(where: list[str], persistent: set[int]) -> Any:
    """Applies `RULES` to every operation that is called while it is active."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Rules(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.kept: Kept = {}
            self.unknown: set[str] = set()
            self.seen: dict[int, Any] = {}

        def __torch_dispatch__(
            self, call: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = call(*args, **(kwargs or {}))
            if call.namespace == "aten" and any(map(needs_gradient, flat(args))):
                results = out if isinstance(out, tuple) else (out,)
                self._keep(call.overloadpacket.__name__, args, results)
            return out

        def _keep(self, called: str, args: Any, results: tuple[Any, ...]) -> None:
            name = called.rstrip("_")
            if name not in RULES:
                self.unknown.add(name)
            rule = RULES.get(name, NOTHING)
            if called != name and rule.factors and needs_gradient(args[1]):
                # In place the first factor is overwritten, so it is copied before.
                self._count(name, args[0].numel() * args[0].element_size())
                rule = Keeps(arguments=(1,) if needs_gradient(args[0]) else ())
            for tensor in rule.of(args, results):
                key = _storage(tensor)
                if key not in persistent and key not in self.seen:
                    self.seen[key] = tensor  # as long as it lives, its storage is no other's
                    self._count(name, tensor.untyped_storage().nbytes())
            if name == "mkldnn_rnn_layer":
                steps, batch, width = args[0].shape
                self._count(name, lstm_workspace(steps, batch, width, args[2].shape[1]))

        def _count(self, name: str, size: int) -> None:
            here = self.kept.setdefault(where[-1], {})
            here[name] = here.get(name, 0) + size

    return Rules()


def _step(
    module: nn.Module, inputs: tuple[Any, ...], optimizer: str, text: str
) -> tuple[Bytes, int, int, int]:
    """Forward, backward and an optimizer's step, for real: bytes that autograd kept, by module, of
    weights, of gradients, of the optimizer's state."""
    import torch

    persistent = {_address(t) for t in (*module.parameters(), *module.buffers())}
    kept: Bytes = {}
    seen: set[int] = set()

    with _inside(module) as where:

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            address = _address(tensor)
            if address not in persistent and address not in seen:
                seen.add(address)
                size = tensor.untyped_storage().nbytes()
                kept[where[-1]] = kept.get(where[-1], 0) + size
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = module(*inputs)
    parameters = list(module.parameters())
    # The gradient of a sum is 1 everywhere: it keeps nothing of its own.
    sums = [tensor.float().sum() for tensor in flat([out]) if needs_gradient(tensor)]
    if not sums:
        raise InputError(f"{text}: its output needs no gradient; give a module that can be trained")
    torch.autograd.backward(torch.stack(sums).sum())
    made = _make_optimizer(optimizer, parameters)
    made.step()
    gradients = [p.grad for p in parameters if p.grad is not None]
    state = [v for values in made.state.values() for v in values.values() if torch.is_tensor(v)]
    return kept, _total(parameters), _total(gradients), _total(state)


def _make_optimizer(name: str, parameters: list[Any]) -> torch.optim.Optimizer:
    import torch

    kind, options = OPTIMIZERS[name].torch
    made: torch.optim.Optimizer = getattr(torch.optim, kind)(parameters, lr=1e-3, **options)
    return made


@contextlib.contextmanager
def _inside(module: nn.Module) -> Iterator[list[str]]:
    """The name of the module that is being called, last in a list."""
    where = [OUTSIDE]

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: where.append(name)

    def leave(*_: Any) -> None:
        where.pop()

    hooks = []
    for name, part in module.named_modules():
        if name:
            hooks += [
                part.register_forward_pre_hook(enter(name)),
                part.register_forward_hook(leave),
            ]
    try:
        yield where
    finally:
        for hook in hooks:
            hook.remove()


def _storage(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)


def _address(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())


def _size(parameters: list[Any]) -> int:
    """The bytes of these parameters by their shapes."""
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)


def _total(tensors: list[Any]) -> int:
    """The bytes of these tensors, shared storage once."""
    storages = {_address(t): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())
