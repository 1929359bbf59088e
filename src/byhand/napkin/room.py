"""Whether it fits, on how many devices, and what takes the room."""

from __future__ import annotations

from collections.abc import Sequence

from byhand.napkin.hardware import Device
from byhand.napkin.quantity import Expression, Quantity, ceil, define, given, per, terms, total
from byhand.napkin.units import sizes


def devices_needed(
    device: Device, share: float, shared: Sequence[Expression], own: Sequence[Expression]
) -> tuple[list[Quantity], list[str]]:
    """n ≥ shared / (u·M_gpu − own), as a result; or a note why there is none.

    share       u: how much of the memory is used at most
    shared      what the devices hold once between them; where that is nothing, one is enough
    own         what each of them holds
    """
    room: Expression = device.memory
    if share != 1:
        room = room * given("u_gpu", share, meaning="share of the memory that the engine takes")
    for each in own:
        room = room - each
    if room.evaluate({}).low <= 0:
        return [], [
            f"no number of {device.name} is enough: what each device holds by itself may be more "
            "than its memory"
        ]
    meaning = f"{device.name} needed for the memory"
    if not shared:
        return [given("n_min", 1, "device", meaning, name="devices_needed")], []
    needed = per("device", 1) * ceil(total(shared) / room)
    return [define("devices_needed", "n_min", needed, "device", meaning)], []


def fit(peak: Quantity, share: float, device: Device) -> list[str]:
    """In words, by the interval of what is needed and of what is there."""
    low, high = (float(end) * share for end in (device.memory.low, device.memory.high))
    least, most, there = (sizes(each)[1] for each in (peak.low, peak.high, low))
    offer = f"{device.name} offers {there}"
    if peak.high <= low:
        return [f"fits: it takes at most {most}, and {offer}"]
    if peak.low > high:
        return [f"does not fit: it takes at least {least}, and {offer}"]
    return [f"may fit: it takes {least} to {most}, and {offer}; what is assumed decides"]


def largest_term(peak: Quantity) -> str:
    """Which term of the peak is the largest, and its share."""
    assert peak.formula is not None
    sizes = [(each.evaluate({}).value, next(each.inputs())) for each in terms(peak.formula)]
    size, first = max(sizes, key=lambda pair: pair[0])
    return f"memory: {first.meaning}, {100 * float(size / peak.value):.0f} % of the peak"
