"""What it takes to run a model: memory, and on a known device time."""

from __future__ import annotations

from dataclasses import dataclass

from byhand.napkin.cache import cache, has_cache
from byhand.napkin.compute import forward_flops
from byhand.napkin.derivation import Derivation
from byhand.napkin.engines import Engine, engine_of
from byhand.napkin.hardware import device_of
from byhand.napkin.inference_memory import activations, peak, runtime
from byhand.napkin.precision import dtype_of
from byhand.napkin.quantity import Quantity, define, per
from byhand.napkin.room import devices_needed, fit, largest_term
from byhand.napkin.speed import Speed
from byhand.napkin.symbols import Context, Symbols
from byhand.napkin.tensors import Model
from byhand.napkin.weights import bits_per_weight, parameters, weight_bytes


@dataclass(frozen=True)
class Setting:
    """How to run.

    dtype           of weights that aren't quantised, as stored or else bf16; and of the arithmetic,
                    bf16 or else f16
    quantization    of `weights.QUANTIZATIONS`
    context         tokens of each sequence, prompt and answer
    batch           sequences at once
    engine          of `engines.ENGINES`
    gpu             a device of `hardware.devices()` or its memory, as in 24GiB
    devices         that share weights and cache
    """

    dtype: str | None = None
    quantization: str | None = None
    context: Context = None
    batch: int = 1
    engine: str = "theory"
    gpu: str | None = None
    devices: int = 1


@dataclass(frozen=True)
class Memory:
    """The memory of one device, term by term: W, κ and KV, what is its own, and their peak."""

    weights: Quantity
    per_token: Quantity | None
    cache: Quantity | None
    working: Quantity | None
    own: list[Quantity]
    peak: Quantity

    @property
    def shared(self) -> list[Quantity]:
        """What the devices hold once between them."""
        return [self.weights] if self.cache is None else [self.weights, self.cache]


def params(model: Model, setting: Setting = Setting()) -> Derivation:
    """How many parameters, their bytes, and the cache bytes of a token."""
    s = Symbols(model)
    n, active = parameters(model)
    w = weight_bytes(model, n, setting.dtype, setting.quantization)
    results = [n, active, w, bits_per_weight(model, n, w)]
    if has_cache(s):
        dtype = setting.dtype and dtype_of(setting.dtype)
        results.append(cache(s, engine_of(setting.engine), dtype)[0])
    return Derivation(f"{model.name}: parameters", tuple(results), notes=model.assumed)


def infer(model: Model, setting: Setting = Setting()) -> Derivation:
    """The memory of running a model, and its speed where the device is known.

    Raises      InputError for what is unknown or impossible.
    """
    engine = engine_of(setting.engine)
    device = device_of(setting.gpu) if setting.gpu else None
    s = Symbols(model, setting.context, setting.batch, setting.devices)
    dtype = setting.dtype and dtype_of(setting.dtype)
    w = weight_bytes(model, s.N, setting.dtype, setting.quantization)
    memory = memory_of(s, engine, dtype, w)
    given = (memory.per_token, memory.cache, memory.working)
    results = [s.N, s.N_a, w, bits_per_weight(model, s.N, w), *filter(None, given)]
    results += [memory.peak, forward_flops(s)]
    notes = s.notes
    if not s.knows_shape:
        notes.append("no cache and no working set: nothing says the shape of the layers")
    limits = [largest_term(memory.peak)]
    if device:
        needed, said = devices_needed(device, engine.share, memory.shared, memory.own)
        results += needed
        notes += [*filter(None, (device.question,)), *said]
        notes += fit(memory.peak, engine.share, device)
        speed = Speed(s, engine, device, dtype, w)
        results += _times(s, speed, memory.cache)
        if speed.bandwidth is not None and setting.devices > 1:
            notes.append("times are without the communication of the devices")
        if speed.bandwidth is not None and model.causal:
            limits.insert(0, f"decoding waits for {speed.limit()}")
    title = f"{model.name}: inference with {setting.quantization or dtype or 'weights as they are'}"
    return Derivation(title, tuple(results), "; ".join(limits), tuple(notes), main="peak_bytes")


def memory_of(s: Symbols, engine: Engine, dtype: str | None, w: Quantity) -> Memory:
    """The terms and the peak, for weights that take W."""
    kappa, kv = cache(s, engine, dtype) if has_cache(s) else (None, None)
    a = activations(s, engine, kv)
    own = [*runtime(engine), *([] if a is None else [a])]
    return Memory(w, kappa, kv, a, own, peak(s, w, kv, own))


def _times(s: Symbols, speed: Speed, kv: Quantity | None) -> list[Quantity]:
    step, prefill = speed.decode(kv), speed.prefill()
    results = [] if prefill is None else [prefill]
    if step is None or not s.model.causal:
        return results
    rate = define(
        "tokens_per_second",
        "r",
        per("token", 1) * s.B / step,
        "token/s",
        "tokens per second of all sequences",
    )
    return [*results, step, rate]
