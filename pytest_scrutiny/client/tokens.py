"""Completions that come later than the reply that announced them, matched by a token.

Rule 1: a completion can come before the reply that tells its token, so the last few unknown ones are kept.
    What nobody claims is somebody else's, or came after its request was given up, and is dropped in time.

PYTEST_DONT_REWRITE
"""

from collections import OrderedDict
from typing import Generic, TypeVar

C = TypeVar("C")

STRANGERS = 64
"""Tokens of unknown completions kept; a reply is at most a few messages behind its completion."""


class TokenInbox(Generic[C]):
    """Completions by token and place; all methods are called with the session's ``changed`` held."""

    def __init__(self) -> None:
        self._ours: dict[str, dict[int, C]] = {}
        self._strangers: OrderedDict[str, dict[int, C]] = OrderedDict()

    def expect(self, token: str) -> None:
        """Claim a token, and what came for it already."""
        self._ours[token] = self._strangers.pop(token, {})

    def put(self, token: str, completion: C, place: int = 0) -> None:
        """Take a completion."""
        if token in self._ours:
            self._ours[token][place] = completion
            return
        self._strangers.setdefault(token, {})[place] = completion
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)

    def count(self, token: str) -> int:
        """Return how many completions came for a token that was claimed."""
        return len(self._ours[token])

    def take(self, token: str) -> dict[int, C]:
        """Return the completions of a token, and give it up; nothing if it was never claimed."""
        return self._ours.pop(token, {})
