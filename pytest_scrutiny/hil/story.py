"""What a failed expectation tells: the last value, its range, the writes, the device.

The lines read like this, below the sentence that says what was expected::

    last     3.271   11 ms old   174 updates seen   Valid
    range    0.002 .. 3.284      ▁▁▂▄▆▇▇▇▇▇
    writes   -0.012 s  /alias/app/run  False → True
    device   PSU-3  firmware deadbeef…  session 9a99f741 (unchanged)
"""

import math
from collections.abc import Sequence

from pytest_scrutiny.client.feed import Testament
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.hil.journal import WriteRecord
from pytest_scrutiny.hil.resets import short
from pytest_scrutiny.model.status import ServerInfo
from pytest_scrutiny.model.watch import Sample

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24  # bars of a sparkline: one line of a terminal, with room for the numbers
_VALUES = 8  # whose last values are told after a reset
_WRITES = 5  # of the latest writes: what caused a value is seldom further back


def tell_values(
    handle: WatchableHandle, samples: Sequence[Sample], bounds: Sequence[float] = ()
) -> list[str]:
    """Return the lines about the values that were seen, oldest first in ``samples``.

    :param bounds: of what was expected.
    """
    if not samples:
        age = handle.age
        before = "none ever" if age is None else f"the latest {show_age(age)} before"
        return [f"last     no update came meanwhile ({before})   {handle.status.name}"]
    latest = samples[-1]
    age = handle.age
    shown = "" if age is None else show_age(age)
    count = f"{len(samples)} updates seen"
    lines = [f"last     {show_value(handle, latest, bounds)}   {shown}   {count}   {latest.status.name}"]
    numbers = [float(sample.value) for sample in samples if sample.value is not None]
    finite = [number for number in numbers if math.isfinite(number)]
    if finite and min(finite) < max(finite):
        low, high = show_number(min(finite), bounds, 6), show_number(max(finite), bounds, 6)
        lines.append(f"range    {low} .. {high}   {sparkline(finite)}")
    return lines


def tell_testaments(testaments: Sequence[tuple[WatchableHandle, Testament]], gone: float) -> list[str]:
    """Return the lines about the last values before the device was gone, a monotonic moment."""
    lines = [
        f"{show_value(handle, last.sample)}   {handle.info.path}   "
        f"{max(gone - last.arrived, 0.0) * 1000:.0f} ms before"
        for handle, last in testaments[:_VALUES]
    ]
    if len(testaments) > _VALUES:
        lines.append(f"and {len(testaments) - _VALUES} more")
    return [f"{'last' if index == 0 else '':<8} {line}" for index, line in enumerate(lines)]


def tell_writes(writes: Sequence[WriteRecord], since: float) -> list[str]:
    """Return the lines about the latest writes; their times are relative to ``since``, a monotonic moment."""
    lines = [
        f"{write.moment - since:+.3f} s  {write.path}  {write.before!r} → {write.after!r}"
        for write in writes[-_WRITES:]
    ]
    return [f"{'writes' if index == 0 else '':<8} {line}" for index, line in enumerate(lines)]


def tell_device(info: ServerInfo, session_id: str | None) -> list[str]:
    """Return the line about the device: whether it still is the one of ``session_id``."""
    if info.device is None:
        return [f"device   gone (session {short(session_id)} ended)"]
    changed = "unchanged" if info.device_session_id == session_id else f"was {short(session_id)}"
    session = f"session {short(info.device_session_id)} ({changed})"
    return [f"device   {info.device.display_name}  firmware {info.device.device_id[:8]}…  {session}"]


def show_value(handle: WatchableHandle, sample: Sample, bounds: Sequence[float] = ()) -> str:
    """Return a value for people: a number with the precision that matters, an enum's member with its name."""
    if sample.value is None:
        return "none"
    enum = handle.info.enum
    name = (
        enum.get_first_value_name_match(int(sample.value)) if enum and math.isfinite(sample.value) else None
    )
    shown = show_number(sample.value, bounds) if isinstance(sample.value, float) else f"{sample.value}"
    return f"{name} ({shown})" if name else shown


def show_number(number: float, bounds: Sequence[float], digits: int = 7) -> str:
    """Return a number with so many digits; with all of them if fewer would put it on a bound or across it."""
    short = f"{number:.{digits}g}"
    low, high = sorted((number, float(short)))
    return repr(number) if any(low <= bound <= high and bound != number for bound in bounds) else short


def show_age(seconds: float) -> str:
    """Return an age for people."""
    return f"{seconds * 1000:.0f} ms old" if seconds < 1 else f"{seconds:.1f} s old"


def sparkline(numbers: Sequence[float]) -> str:
    """Return the course of finite numbers as a row of bars, the oldest first."""
    step = max(1, math.ceil(len(numbers) / _WIDTH))
    picked = [numbers[index] for index in range(0, len(numbers), step)]
    low, high = min(picked), max(picked)
    span = (high - low) or 1.0
    if not math.isfinite(span):  # from one end of the floats to the other
        return ""
    return "".join(_BARS[round((number - low) / span * (len(_BARS) - 1))] for number in picked)
