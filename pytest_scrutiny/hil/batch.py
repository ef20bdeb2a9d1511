"""Several values at once: written in one request, overridden for a while, read at one moment."""

import contextlib
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import attrs

from pytest_scrutiny.client.batch import check_batch, send_batch
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.fit import check_value
from pytest_scrutiny.errors import InvalidValueError, NotAllowedError
from pytest_scrutiny.hil.journal import WriteRecord
from pytest_scrutiny.hil.refusals import cause_of_refusal

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device

Settable = bool | float | str


class Batch:
    """Writes that are collected and sent as one request, in their order."""

    def __init__(self, device: "Device") -> None:
        self._device = device
        self._writes: list[tuple[str, Settable]] = []
        self._has_ended = False

    def write(self, path: str, value: Settable) -> None:
        """Add a write; it is checked now and sent when the batch ends.

        :raises ValueError: if the value does not fit.
        :raises NameNotFoundError: if the server knows no such path.
        :raises NotAllowedError: if the batch has ended: it would be sent never.
        """
        if self._has_ended:
            raise NotAllowedError(
                f"{value!r} is not written to {path}: the batch has ended; expected its writes in its block. "
                f"Write it there, or alone: dev[{path!r}].write({value!r})"
            )
        check_value(self._device[path].info, value)
        self._writes.append((path, value))

    def __setitem__(self, path: str, value: object) -> NoReturn:
        """Refuse what looks like a write and is none.

        :raises TypeError: always.
        """
        raise TypeError(f"a batch's values are not set like this; write: batch.write({path!r}, {value!r})")

    def end(self) -> None:
        """Take no more writes."""
        self._has_ended = True

    def flush(self, timeout: float) -> None:
        """Send all writes as one request, and wait until each is in the device.

        :raises OperationFailure: naming each write that failed; the others are in the device.
        """
        writes, self._writes = self._writes, []
        if not writes:
            return
        prepared = [self._device[path].prepare_write(value, timeout) for path, value in writes]
        before = [handle.snapshot().value for handle, _ in prepared]
        updates = [update for _, update in prepared]
        completions = self._device.guarded(
            lambda: send_batch(self._device.raw.writes, updates, Deadline(timeout)),
            f"a batch of {len(writes)} values was written",
        )
        moment = monotonic()
        for (path, wanted), old, completion in zip(writes, before, completions, strict=True):
            if completion.success:
                self._device.writes.append(WriteRecord(moment, path, old, wanted))
        device = self._device.raw.get_server_status().device
        check_batch(updates, completions, lambda info: cause_of_refusal(info, device))


@attrs.frozen
class Snapshot(Mapping[str, bool | float]):
    """Values of one moment, by their paths.

    :ivar span: seconds between the oldest and the newest of them, by the clock they were stamped with.
    """

    values_by_path: Mapping[str, bool | float]
    span: float

    def __getitem__(self, path: str) -> bool | float:
        return self.values_by_path[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_path)

    def __len__(self) -> int:
        return len(self.values_by_path)


def take_snapshot(device: "Device", paths: tuple[str, ...], timeout: float) -> Snapshot:
    """Return fresh values of all the paths, the closest together that came.

    :raises InvalidValueError: if one of them has no usable value, with the reason.
    """
    if not paths:
        raise ValueError(
            "snapshot() has no paths, so there is nothing to read; expected some, like snapshot('/rpv/x1000')"
        )
    deadline = Deadline(timeout)
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(device[path].attention(timeout)) for path in paths]
        samples = device.guarded(
            lambda: device.raw.watches.wait_all(handles, deadline), "a snapshot was taken"
        )
    values, reasons = {}, []
    for path, timed in zip(paths, samples, strict=True):
        if timed.sample.value is None:
            reasons.append(f"{path}: {timed.sample.status.reason}")
        else:
            values[path] = timed.sample.value
    if reasons:
        raise InvalidValueError(f"no snapshot could be taken: {'; '.join(reasons)}")
    times = [timed.time_us for timed in samples]
    return Snapshot(values, (max(times) - min(times)) / 1e6)
