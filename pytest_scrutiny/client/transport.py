"""Getting a connection: from a host name to a peer that is known to speak Scrutiny.

Rule 1: connecting is optimistic. The first bytes are the requests for all that a status needs, as datagrams,
    followed by an empty line. A server of 0.4 or later answers with datagrams and skips the empty line as
    garbage; a WebSocket server (0.1 to 0.3) takes them for bad HTTP, answers ``HTTP/1.1 400`` and closes, and
    is asked again with an upgrade. Anything else is not a Scrutiny server, and the error says what it sent.
Rule 2: one deadline covers name resolution, every address of the name, and all of the above. An address that
    is no Scrutiny server leaves the next one its turn; one that takes the connection and says nothing may be
    a server that is busy, so it is asked once more when the others are through.
Rule 3: whatever fails, no socket stays open. Of a name with several addresses, the error tells of each.

Measured on 0.3.0, 0.4.1 and 0.16.0: the first answer comes after 0.2 to 11 ms; without the empty line a
WebSocket server waits 10 s for the rest of its request.

PYTEST_DONT_REWRITE
"""

import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pytest_scrutiny.client.attempt import START, Address, Attempt, Link, Refusal, Transport
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.errors import ConnectionError, ConnectTimeout, RemoteProtocolError


class Patience(NamedTuple):
    """More time for a peer that takes the connection and says nothing, as a server does that loads an SFD.

    :ivar deadline: counts instead of the usual one, once the connection is made.
    :ivar tell: called every second with what is seen.
    """

    deadline: Deadline
    tell: Callable[[str], None]


def open_link(
    hostname: str,
    port: int,
    deadline: Deadline,
    transport: Transport = "auto",
    patience: Patience | None = None,
) -> Link:
    """Return a connection to a Scrutiny server.

    :raises ConnectTimeout: if that takes longer than the deadline allows.
    :raises RemoteProtocolError: if the peer is something else.
    :raises ConnectionError: if there is none.
    """
    return _Search(hostname, port, deadline, transport, patience).find()


class _Search:
    """One call of ``open_link``: the name, its addresses, and what each of them said."""

    def __init__(
        self, hostname: str, port: int, deadline: Deadline, transport: Transport, patience: Patience | None
    ) -> None:
        self._hostname = hostname
        self._port = port
        self._deadline = deadline
        self._transport = transport
        self._patience = patience or Patience(deadline, lambda _: None)

    def find(self) -> Link:
        """Return the first connection that an address gives."""
        addresses = deque(self._resolve())
        refusals: dict[str, Refusal] = {}
        asked_again: set[str] = set()
        while addresses:
            address = addresses.popleft()
            shown = _show(address)
            try:
                return self._try(address, len(addresses) + 1)
            except Refusal as refusal:
                refusals[shown] = refusal
                if refusal.is_silent and addresses and shown not in asked_again:
                    asked_again.add(shown)
                    addresses.append(address)
        raise self._complaint(refusals)

    def _try(self, address: Address, count: int) -> Link:
        """Try an address, with its share of the time; the last one of ``count`` has all that is left."""
        dial = listen = Deadline(self._deadline.remaining() / count)
        if count == 1:
            dial, listen = self._deadline, self._patience.deadline
        attempt = Attempt(address, self._hostname, self._port, self._transport)
        attempt.dial, attempt.listen, attempt.tell = dial, listen, self._patience.tell
        try:
            return attempt.open()
        except Refusal as refusal:
            if refusal.kind is ConnectTimeout:
                seconds = (listen if refusal.is_silent else dial).timeout
                refusal.reason += f" within {round(seconds, 1) if count > 1 else seconds:g} s"
            raise

    def _complaint(self, refusals: Mapping[str, Refusal]) -> ConnectionError:
        silent = [refusal for refusal in refusals.values() if refusal.is_silent]
        order = (ConnectTimeout, RemoteProtocolError, ConnectionError)  # what cost time tells most
        worst = silent[0] if silent else min(refusals.values(), key=lambda refusal: order.index(refusal.kind))
        reasons = [refusal.reason for refusal in refusals.values()]
        if len(refusals) > 1:
            reasons = [f"{shown}: {refusal.reason}" for shown, refusal in refusals.items()]
        error = worst.kind(self._text("; ".join(reasons), worst.advice))
        if isinstance(error, ConnectTimeout):
            error.is_silent = worst.is_silent
        error.__cause__ = worst.__cause__
        return error

    def _resolve(self) -> list[Address]:
        # As bytes: for a str the interpreter loads its IDNA codec first, 2.5 ms and 750 kB.
        host: str | bytes = self._hostname.encode() if self._hostname.isascii() else self._hostname
        try:
            return _look_up(host, self._port, socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            pass  # not an address, so a name
        outcome: list[list[Address] | Exception] = []

        def look_up() -> None:
            try:
                outcome.append(_look_up(host, self._port, 0))
            except (OSError, UnicodeError) as exc:
                outcome.append(exc)

        # Name resolution has no timeout of its own; the thread ends when the system's resolver gives up.
        thread = threading.Thread(target=look_up, name="scrutiny-resolver", daemon=True)
        thread.start()
        thread.join(self._deadline.remaining())
        if not outcome:
            late = f"the host name is still not resolved within {self._deadline.timeout:g} s"
            raise ConnectTimeout(self._text(late, START))
        if isinstance(outcome[0], Exception):
            raise ConnectionError(
                f"cannot connect to {self._where}: unknown host ({outcome[0]}); "
                "expected a name or an address. Check the spelling of the host."
            ) from outcome[0]
        return outcome[0]

    @property
    def _where(self) -> str:
        host = f"[{self._hostname}]" if ":" in self._hostname else self._hostname
        return f"{host}:{self._port}"

    def _text(self, reason: str, advice: str) -> str:
        return f"cannot connect to {self._where}: {reason}; expected a Scrutiny server there. {advice}"


def _show(address: Address) -> str:
    host = str(address[3][0])
    return f"[{host}]" if ":" in host else host


def _look_up(host: str | bytes, port: int, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, kind, proto, address) for family, kind, proto, _, address in found]
