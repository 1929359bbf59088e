"""The other way round: what is the most that fits into a device?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from byhand.errors import InputError
from byhand.napkin.checks import MOST_BATCH, one_of
from byhand.napkin.derivation import Derivation
from byhand.napkin.engines import engine_of
from byhand.napkin.hardware import Device, device_of
from byhand.napkin.inference import Setting, infer, memory_of
from byhand.napkin.precision import dtype_of
from byhand.napkin.quantity import Quantity, define, given
from byhand.napkin.symbols import Symbols
from byhand.napkin.tensors import Model
from byhand.napkin.units import Value
from byhand.napkin.weights import QUANTIZATIONS, count, weight_bytes

UNKNOWNS = ("params", "context", "batch", "quantization")
MOST_CONTEXT = 10**9
BISECTION = "found by bisection of the peak"
FULL_SIZE = ("f32", "f16", "bf16")


def solve(model: Model, unknown: str, setting: Setting) -> Derivation:
    """The largest `unknown` for which the expected peak fits, and the derivation of that peak.

    unknown     params, context, batch or quantization
    Its interval: the largest that surely fits, to the largest that may.
    Raises      InputError where nothing fits, or the model has no such thing.
    """
    one_of("--for", unknown, UNKNOWNS)
    if setting.gpu is None:
        raise InputError("--gpu: expected what it has to fit into, a device or a size as in 24GiB")
    device = device_of(setting.gpu)
    if unknown == "params":
        return _params(model, setting, device)
    if unknown == "quantization":
        return _quantization(model, setting, device)
    if unknown == "context":
        return _context(model, setting, device)
    return _batch(model, setting, device)


class Fitting:
    """The most that fits, of what may vary: its peaks are worked out once for all devices.

    vary    context or batch
    most    no more is tried
    """

    def __init__(self, model: Model, setting: Setting, vary: str, most: int) -> None:
        self.model, self.setting, self.vary, self.most = model, setting, vary, most
        self.engine = engine_of(setting.engine)
        self.dtype = setting.dtype and dtype_of(setting.dtype)
        self.weights = weight_bytes(model, count(model), setting.dtype, setting.quantization)
        self.known: dict[int, Quantity] = {}

    def peak(self, number: int) -> Quantity:
        """The peak with so many tokens or sequences."""
        if number not in self.known:
            asked: dict[str, Any] = {
                "context": self.setting.context,
                "batch": self.setting.batch,
                self.vary: number,
            }
            s = Symbols(self.model, devices=self.setting.devices, **asked)
            self.known[number] = memory_of(s, self.engine, self.dtype, self.weights).peak
        return self.known[number]

    def within(self, device: Device) -> tuple[int, int, int]:
        """What surely fits into the device, what is expected to, and what may; 0 for nothing."""
        memory, share = device.memory, self.engine.share
        return (
            self._largest(lambda peak: peak.high, memory.low * share),
            self._largest(lambda peak: peak.value, memory.value * share),
            self._largest(lambda peak: peak.low, memory.high * share),
        )

    def _largest(self, end: Callable[[Quantity], Value], room: Value) -> int:
        low, high = 0, self.most + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if end(self.peak(middle)) <= room else (low, middle)
        return low


def contexts(model: Model, setting: Setting) -> Fitting:
    """The contexts that fit; InputError for a model without a cache."""
    if not model.causal or not model.attention:
        raise InputError(f"{model.name}: it keeps no cache, so no context is the longest")
    return Fitting(model, setting, "context", model.context or MOST_CONTEXT)


def _context(model: Model, setting: Setting, device: Device) -> Derivation:
    low, value, high = _within(contexts(model, setting), device)
    derivation = infer(model, replace(setting, context=value))
    answer = given(
        "T_max",
        value,
        "token",
        "longest context that fits",
        name="context",
        kind=derivation["peak_bytes"].kind,
        low=low,
        high=high,
    )
    note = f"as long as {model.name} can read" if value == model.context else BISECTION
    return _answer(derivation, answer, note)


def _batch(model: Model, setting: Setting, device: Device) -> Derivation:
    low, value, high = _within(Fitting(model, setting, "batch", MOST_BATCH), device)
    derivation = infer(model, replace(setting, batch=value))
    answer = given(
        "B_max",
        value,
        meaning="most sequences at once that fit",
        name="batch",
        kind=derivation["peak_bytes"].kind,
        low=low,
        high=high,
    )
    return _answer(derivation, answer, BISECTION)


def _within(fitting: Fitting, device: Device) -> tuple[int, int, int]:
    found = fitting.within(device)
    if not found[1]:
        raise _nothing_fits(fitting.model, device, fitting.peak(1))
    return found


def _params(model: Model, setting: Setting, device: Device) -> Derivation:
    """N_max = (u·M_gpu − KV − own) / (W/N): as many as fit beside the cache of this model."""
    engine, s = engine_of(setting.engine), Symbols(model, setting.context, setting.batch)
    w = weight_bytes(model, s.N, setting.dtype, setting.quantization)
    memory = memory_of(s, engine, setting.dtype and dtype_of(setting.dtype), w)
    room = device.memory * given("u_gpu", engine.share, meaning="share that the engine takes")
    for each in (*memory.shared[1:], *memory.own):
        room = room - each
    b = given(
        "b_N",
        Fraction(w.value) / Fraction(s.N.value),
        "B/parameter",
        f"bytes of a parameter, as in {model.name}",
    )
    if room.evaluate({}).value <= 0:
        raise _nothing_fits(model, device, memory.peak)
    n = define(
        "parameters", "N_max", room / b, "parameter", "most parameters that fit beside the cache"
    )
    note = f"cache and working set are those of {model.name}"
    return Derivation(f"{device.name}: most parameters", (n,), notes=(note, *model.assumed))


def _quantization(model: Model, setting: Setting, device: Device) -> Derivation:
    """The first that fits, from the most bits to the fewest."""
    sizes = []
    for name in QUANTIZATIONS:
        if name not in FULL_SIZE:
            w = weight_bytes(model, count(model), setting.dtype, name)
            sizes.append((w.value, name))
    sizes.append((weight_bytes(model, count(model), setting.dtype, None).value, ""))
    for _, name in sorted(sizes, reverse=True):
        derivation = infer(model, replace(setting, quantization=name or None))
        if derivation["peak_bytes"].value <= device.memory.value * engine_of(setting.engine).share:
            said = name or "none: the weights fit as they are"
            return replace(
                derivation,
                title=f"{model.name}: finest quantisation in {device.name}",
                words=(("quantization", said),),
            )
    raise _nothing_fits(model, device, derivation["peak_bytes"], f"even as {name}, ", "")


def _nothing_fits(
    model: Model, device: Device, peak: Quantity, even: str = "", advice: str = "quantise it or "
) -> InputError:
    needed, there = (float(value) / 2**30 for value in (peak.value, device.memory.value))
    return InputError(
        f"{model.name} does not fit into {device.name}: {even}it takes {needed:.2f} GiB of "
        f"{there:.2f} GiB; {advice}use more --devices"
    )


def _answer(derivation: Derivation, answer: Quantity, note: str) -> Derivation:
    return replace(
        derivation,
        title=f"{derivation.title}: {answer.meaning}",
        results=(answer, *derivation.results),
        main=answer.name,
        notes=(*derivation.notes, note),
    )
