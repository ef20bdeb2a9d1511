"""The life of a device as the server sees it."""

import pytest

from pytest_scrutiny.fakeserver.link import Change, DeviceLink, Timing
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.model.datalog import DataloggerState
from pytest_scrutiny.model.status import DeviceCommState

TIMING = Timing(sfd=0.01, datalogging=0.02, reconnect=0.1, response_timeout=1.0)


class Recorder:
    """A link, and what it told with what could be seen then."""

    def __init__(self, profile: str = "plain") -> None:
        self.seen: list[tuple[Change, bool, bool, bool]] = []
        self.link = DeviceLink(make_device(profile), TIMING, self._note)

    def _note(self, change: Change) -> None:
        has_logger = self.link.datalogging.state is not DataloggerState.NA
        self.seen.append((change, self.link.session_id is not None, self.link.sfd is not None, has_logger))

    @classmethod
    def ready(cls) -> "Recorder":
        recorder = cls()
        recorder.link.plug(0.0)
        recorder.link.advance(1.0)
        recorder.seen.clear()
        return recorder


def test_ready_comes_first_then_the_description_then_the_datalogger() -> None:
    recorder = Recorder()
    recorder.link.plug(0.0, 0.5)

    for now in (0.4999, 0.5, 0.511, 0.521):
        recorder.link.advance(now)

    assert recorder.seen == [
        (Change.READY, True, False, False),
        (Change.SFD_LOADED, True, True, False),
        (Change.DATALOGGING, True, True, True),
    ]
    assert recorder.link.next_time is None


def test_until_then_it_is_connecting() -> None:
    recorder = Recorder()

    recorder.link.plug(0.0, 0.5)

    assert recorder.link.comm_state is DeviceCommState.Connecting
    assert (recorder.link.session_id, recorder.link.next_time) == (None, 0.5)


def test_a_loss_shows_in_the_order_of_real_servers() -> None:
    recorder = Recorder.ready()

    recorder.link.unplug()

    assert recorder.seen == [
        (Change.LOST, False, True, True),
        (Change.SFD_UNLOADED, False, False, False),
        (Change.DATALOGGING_GONE, False, False, False),
    ]
    assert recorder.link.comm_state is DeviceCommState.Disconnected


def test_what_was_never_known_is_not_lost() -> None:
    recorder = Recorder("nameless")
    recorder.link.device.change_features(datalogging=False)
    recorder.link.plug(0.0)
    recorder.link.advance(1.0)

    recorder.link.unplug()

    assert [change for change, *_ in recorder.seen] == [Change.READY, Change.LOST]


def test_a_device_can_go_while_it_is_still_being_understood() -> None:
    recorder = Recorder()
    recorder.link.plug(0.0)
    recorder.link.advance(0.0)

    recorder.link.unplug()
    recorder.link.advance(1.0)

    assert [change for change, *_ in recorder.seen] == [Change.READY, Change.LOST]


def test_a_reset_is_a_new_session_with_values_as_in_the_beginning() -> None:
    recorder = Recorder.ready()
    session = recorder.link.session_id
    recorder.link.device.set("/psu/setpoint", 1.0)

    recorder.link.reset(2.0)
    assert not recorder.link.is_ready
    recorder.link.advance(2.2)

    assert recorder.link.is_answering
    assert recorder.link.session_id not in (None, session)
    assert recorder.link.session_count == 2
    assert recorder.link.device.get("/psu/setpoint") == 5.0


def test_a_reset_while_unplugged_brings_nothing_back() -> None:
    recorder = Recorder.ready()
    recorder.link.unplug()

    recorder.link.reset(2.0)
    recorder.link.advance(10.0)

    assert not recorder.link.is_ready


def test_plugging_a_device_that_is_there_changes_nothing() -> None:
    recorder = Recorder.ready()
    session = recorder.link.session_id

    recorder.link.plug(2.0)
    recorder.link.advance(3.0)

    assert (recorder.link.session_id, recorder.seen) == (session, [])


def test_a_short_silence_is_not_noticed() -> None:
    recorder = Recorder.ready()
    session = recorder.link.session_id

    recorder.link.hang(2.0)
    recorder.link.advance(2.7)
    assert (recorder.link.is_ready, recorder.link.is_answering) == (True, False)
    recorder.link.resume(2.7)
    recorder.link.advance(10.0)

    assert (recorder.link.session_id, recorder.seen) == (session, [])


def test_a_long_silence_ends_the_session() -> None:
    recorder = Recorder.ready()
    session = recorder.link.session_id

    recorder.link.hang(2.0)
    recorder.link.advance(3.0)
    assert not recorder.link.is_ready
    recorder.link.advance(20.0)
    assert not recorder.link.is_ready
    recorder.link.resume(20.0)
    recorder.link.advance(20.2)

    assert recorder.link.session_id not in (None, session)


def test_a_device_that_hangs_while_connecting_is_not_ready_before_it_answers() -> None:
    recorder = Recorder()
    recorder.link.plug(0.0, 0.5)

    recorder.link.hang(0.1)
    recorder.link.advance(5.0)
    assert recorder.seen == []
    recorder.link.resume(5.0)
    recorder.link.advance(5.2)

    assert recorder.link.is_answering


@pytest.mark.parametrize("silent_for", [0.0, 0.005])
def test_what_was_still_to_be_found_is_found_after_a_silence(silent_for: float) -> None:
    recorder = Recorder()
    recorder.link.plug(0.0)
    recorder.link.advance(0.0)

    recorder.link.hang(0.001)
    recorder.link.resume(0.001 + silent_for)
    recorder.link.advance(0.1)

    assert [change for change, *_ in recorder.seen] == [Change.READY, Change.SFD_LOADED, Change.DATALOGGING]
