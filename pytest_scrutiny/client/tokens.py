"""Requests in two steps: a reply with a token at once, and completions that carry the token later.

Rule 1: a completion can come before the reply that tells its token, so the last few unknown ones are kept.
    What nobody claims is somebody else's, or came after its request was given up, and is dropped in time.

PYTEST_DONT_REWRITE
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.request import Request
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.protocol.fields import Fields

C = TypeVar("C")

STRANGERS = 64
"""Tokens of unknown completions kept; a reply is at most a few messages behind its completion."""


class TokenInbox(Generic[C]):
    """The requests in two steps that are under way, and their completions by token and place."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ours: dict[str, dict[int, C]] = {}
        self._strangers: OrderedDict[str, dict[int, C]] = OrderedDict()

    def run(
        self,
        command: str,
        fields: Mapping[str, object],
        decode_token: Callable[[Fields], str],
        deadline: Deadline,
        *,
        count: int,
        what: str,
    ) -> list[C]:
        """Send a request and return its completions, by their places.

        :param count: how many completions it has.
        :param what: what did not happen, for the timeout's text.
        :raises OperationFailure: if the server refuses the request.
        """

        def expect(message: Fields) -> str:
            token = decode_token(message)
            self._ours[token] = self._strangers.pop(token, {})
            return token

        request = Request(command, expect)
        request_id = self._session.send_request(request, fields, deadline)
        try:
            self._session.wait_for(
                lambda: request.error is not None or self._is_complete(request, count), deadline, what
            )
        finally:
            self._session.forget(request_id)
            with self._session.lock:
                completions = self._ours.pop(request.result or "", {})
        if request.error is not None:
            raise request.error
        return [completions[place] for place in range(count)]

    def _is_complete(self, request: Request[str], count: int) -> bool:
        # Only the places that were asked for count: a peer that numbers others completes nothing.
        return request.is_done and all(place in self._ours[request.result or ""] for place in range(count))

    def put(self, token: str, completion: C, place: int = 0) -> None:
        """Take a completion; called with the lock held."""
        if token in self._ours:
            self._ours[token][place] = completion
            return
        self._strangers.setdefault(token, {})[place] = completion
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)
