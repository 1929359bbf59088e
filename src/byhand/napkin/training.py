"""What it takes to train a model, all of it or adapters beside it: memory, operations, time.

    M = W + G + O + X + max(forward: S + Z, backward: S + 2·Z, step: b_c·trained)

S are the kept activations and Z the logits; in the backward pass the logits' gradient is beside
them, and where a layer is recomputed so is all that it keeps. The optimizer's step may copy the
gradients to float32. X is the runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from byhand.errors import InputError
from byhand.napkin.activations import RECOMPUTE, Activations, Trained
from byhand.napkin.checks import one_of
from byhand.napkin.derivation import Derivation
from byhand.napkin.engines import engine_of
from byhand.napkin.hardware import device_of
from byhand.napkin.inference import Setting
from byhand.napkin.inference_memory import runtime
from byhand.napkin.lora import lora_parameters, targets_of
from byhand.napkin.optimizer import State, state, training_dtype
from byhand.napkin.precision import DTYPES, dtype_of
from byhand.napkin.quantity import Expression, Quantity, define, given, largest, total
from byhand.napkin.room import devices_needed, fit, largest_term
from byhand.napkin.symbols import Context, Symbols
from byhand.napkin.tensors import Model
from byhand.napkin.training_time import training_time
from byhand.napkin.weights import DEFAULT_DTYPE, weight_bytes

TRAINERS = ("theory", "transformers")


@dataclass(frozen=True)
class Plan:
    """How to train.

    dtype           f32, or mixed precision with bf16 or f16
    context, batch  tokens of a sequence; sequences on a device at once
    optimizer       of `optimizer.OPTIMIZERS`
    recompute       none, selective or full
    zero, devices   the stage of ZeRO, and over how many devices
    engine          theory, or transformers with its runtime
    tokens          of the whole training; None where only memory is asked for
    gpu             a device or its memory
    mfu             the share of the peak rate that is reached; assumed where it is None
    device_hours    what a training took, to find out its MFU
    price           dollars for an hour of a device
    lora_rank       trains adapters of this rank beside frozen weights
    targets         which matrices get adapters; q and v where it is None
    quantization    of the frozen weights
    """

    dtype: str = DEFAULT_DTYPE
    context: Context = None
    batch: int = 1
    optimizer: str = "adamw"
    recompute: str = "none"
    zero: int = 0
    devices: int = 1
    engine: str = "theory"
    tokens: int | None = None
    gpu: str | None = None
    mfu: float | None = None
    device_hours: float | None = None
    price: float | None = None
    lora_rank: int | None = None
    targets: str | None = None
    quantization: str | None = None

    @property
    def setting(self) -> Setting:
        """How to run the model on the same devices."""
        return Setting(
            self.dtype,
            self.quantization,
            self.context,
            self.batch,
            self.engine,
            self.gpu,
            self.devices,
        )


def train(model: Model, plan: Plan | None = None) -> Derivation:
    """The memory of a device, and operations, time and money where tokens and device are known.

    Raises      InputError for what is unknown or impossible.
    """
    plan = plan or Plan()
    _check(plan)
    dtype = training_dtype(dtype_of(plan.dtype))
    s = Symbols(model, plan.context, plan.batch, plan.devices)
    device = device_of(plan.gpu) if plan.gpu else None
    adapters, held, activations = _held(s, plan, dtype)
    kept, phase = _phases(s, plan, activations, adapters or s.N) if activations else (None, None)
    own = [*runtime(engine_of(plan.engine)), *([phase] if phase else [])]
    peak = define("peak_bytes", "M", total([*held.parts, *own]), "B", _meaning(s))
    results = [s.N, s.N_a, *([adapters] if adapters else []), *held.parts]
    state_bytes = total(held.parts)
    results.append(define("state_bytes", "E", state_bytes, "B", "weights, gradients, optimizer"))
    results += [*([kept] if kept else []), peak]
    notes = s.notes
    if activations is None:
        notes.append(
            "activations are left out: nothing says the shape of the layers; `byhand napkin "
            "measure` runs the model and measures them"
        )
    if device:
        needed, said = devices_needed(device, 1, list(held.shared), [*held.own, *own])
        results += needed
        notes += [*filter(None, (device.question,)), *said, *fit(peak, 1, device)]
    limits = [largest_term(peak)]
    time = training_time(s, plan, dtype, device, adapters)
    if time.limits:
        limits.insert(0, time.limits)
    verb = f"adapters of rank {plan.lora_rank}" if adapters else "training"
    title = f"{model.name}: {verb} with {plan.optimizer} in {dtype}"
    return Derivation(
        title,
        (*results, *time.results),
        "; ".join(limits),
        (*notes, *time.notes),
        main="peak_bytes",
    )


def _check(plan: Plan) -> None:
    """What has nothing to do with the model."""
    one_of("recomputation", plan.recompute, RECOMPUTE)
    engine_of(plan.engine)
    if plan.engine not in TRAINERS:
        raise InputError(f"--engine: {plan.engine} does not train; there is {', '.join(TRAINERS)}")
    if plan.quantization and plan.lora_rank is None:
        raise InputError(
            "--quantization: quantised weights are not trained; give --lora-rank to train "
            "adapters beside them"
        )


def _held(s: Symbols, plan: Plan, dtype: str) -> tuple[Quantity | None, State, Activations | None]:
    """The adapters' parameters, the state, and the terms of the activations."""
    adapters, frozen, trained = None, None, Trained()
    if plan.lora_rank is not None:
        roles = targets_of(s.model, plan.targets)
        rank = given("r", plan.lora_rank, meaning="rank of the adapters")
        trained = Trained(roles, rank)
        adapters = lora_parameters(s.model, rank, roles)
        w = weight_bytes(s.model, s.N, plan.dtype, plan.quantization)
        frozen = replace(w, name="frozen_bytes", symbol="W_0", meaning="frozen weights")
    held = state(s, frozen, adapters or s.N, dtype, plan.optimizer, plan.zero)
    return adapters, held, Activations(s, DTYPES[dtype], trained) if s.knows_shape else None


def _phases(
    s: Symbols, plan: Plan, activations: Activations, trained: Quantity
) -> tuple[Quantity, Quantity]:
    """S, and P: the largest phase."""
    kept, logits = activations.all(plan.recompute), activations.logits()
    forward: Expression = kept if logits is None else kept + logits
    backward: Expression = kept if logits is None else kept + 2 * logits
    if plan.recompute == "full":
        backward = backward + s.B * s.T * activations.layer(scores=True)
    elif plan.recompute == "selective":
        backward = backward + s.B * s.T * activations.scores()
    copy = given(
        "b_c",
        0,
        "B/parameter",
        "bytes of a gradient's float32 copy in the optimizer's step, where there is one",
        low=0,
        high=4,
    )
    phases = [
        define("forward", "P_forward", forward, "B", "forward pass", kind="modelled"),
        define("backward", "P_backward", backward, "B", "backward pass", kind="modelled"),
        define("step", "P_step", copy * trained, "B", "optimizer's step", kind="modelled"),
    ]
    return kept, define(
        "phase", "P", largest(*phases), "B", "activations and logits, the largest phase"
    )


def _meaning(s: Symbols) -> str:
    return "peak memory" if s.n.value == 1 else "peak memory of each device"
