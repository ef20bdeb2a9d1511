"""One connection's way through its faults: what is let in, and which bytes are due when.

Without faults all bytes are due at once, and nothing is counted.

PYTEST_DONT_REWRITE
"""

from collections import Counter, deque
from collections.abc import Callable

from pytest_scrutiny.fakeserver.entries import Message
from pytest_scrutiny.fakeserver.faults import Arrival, Fault, Passage, Transport


class Lane:
    """The faults of one connection, and the bytes that its client is still owed.

    :ivar owed: what can be sent at once.
    :ivar is_over: a fault ended the connection, or left it mute: nothing is sent behind what is owed.
    :ivar is_ending: it is to be closed once nothing is left to send.
    :ivar size: bytes still to be sent, at once or later.
    """

    def __init__(self, transport: Transport, faults: tuple[Fault, ...] = ()) -> None:
        self.owed = bytearray()
        self.is_over = False
        self.is_ending = False
        self._transport = transport
        self._later: deque[tuple[float, bytes]] = deque()  # in the order of sending, which is that of time
        self._free_from = 0.0  # when the next piece may go; nothing overtakes
        self.suffer(faults)

    def suffer(self, faults: tuple[Fault, ...]) -> None:
        """Have these faults from now on, and no others; what they count begins anew."""
        self._faults = faults
        self._commands: Counter[object] = Counter()
        self._passed = self._sent = 0

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return len(self.owed) + sum(len(piece) for _, piece in self._later)

    @property
    def next_time(self) -> float | None:
        """When more bytes are due; None if none are, or if the socket has to take others first."""
        return self._later[0][0] if self._later and not self.owed else None

    # In

    def admit(self, command: object) -> Arrival | None:
        """Return what becomes of a request; None if nothing does."""
        if not self._faults:
            return None
        self._commands[str(command)] += 1
        arrival = Arrival(command, self._commands.total(), self._commands[str(command)])
        for fault in self._faults:
            fault.spoil_request(arrival)
        return arrival

    # Out

    def send(self, message: Message, encode: Callable[[Message], bytes], now: float) -> None:
        """Take a message for its client."""
        if not self._faults:
            self.send_bytes(encode(message), now)
            return
        self._passed += 1
        passage = Passage(message, encode, transport=self._transport, number=self._passed, sent=self._sent)
        for fault in self._faults:
            fault.spoil_message(passage)
        self._sent += len(passage.data)
        self._queue(passage, now)

    def send_bytes(self, data: bytes, now: float) -> None:
        """Take bytes that are no message, which no fault touches: a pong, the answer to an upgrade."""
        if self.is_over or not data:
            return
        if self._later:
            self._later.append((max(now, self._free_from), data))
        else:
            self.owed += data

    def _queue(self, passage: Passage, now: float) -> None:
        if self.is_over:
            return
        data, step = passage.data, passage.step or max(1, len(passage.data))
        due = max(now + passage.delay, self._free_from)
        for start in range(0, len(data), step):
            self._later.append((due, data[start : start + step]))
            due += passage.interval
        self._free_from = due
        if passage.end is not None:
            self.is_over, self.is_ending = True, passage.end == "close"

    def take_due(self, now: float) -> bool:
        """Make the next bytes that are due by now those that are owed; return whether there are any."""
        if not self.owed and self._later and self._later[0][0] <= now:
            self.owed += self._later.popleft()[1]
        return bool(self.owed)
