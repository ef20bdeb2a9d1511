"""Finding what can be watched: lists, counts, descriptions.

Rule 1: the reader takes a list page by page, each at once in its smallest form; it never waits for whoever
    wants them. A callback gets them on the thread that waits for the list, and without a lock.
Rule 2: a page must come within the client's timeout after the one before, so that a list ends even if
    nobody set a time for all of it.

Servers 0.1 to 0.3 take one glob only; for more of them we ask for all names and choose here.

PYTEST_DONT_REWRITE
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Protocol, TypeAlias, TypeVar

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.request import MORE, Request
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.errors import (
    BadResponseError,
    BadTypeError,
    ConnectionError,
    InvalidValueError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.model.listing import (
    BaseDetailedWatchableConfiguration,
    BriefWatchableConfiguration,
    DetailedAliasWatchableConfiguration,
    DetailedRPVWatchableConfiguration,
    DetailedVarWatchableConfiguration,
    ServerDatastoreContentType,
    WatchableListContentPart,
    detailed,
)
from pytest_scrutiny.model.values import WatchableType
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.listing import (
    GET_COUNT,
    GET_INFO,
    GET_LIST,
    PageReader,
    decode_watchable_count,
    decode_watchable_info,
    encode_list_request,
    encode_watchable_info_request,
)

D = TypeVar("D", bound=BaseDetailedWatchableConfiguration)
PartCallback: TypeAlias = Callable[[WatchableListContentPart, bool], None]
"""Called with a part of the list, and whether it is the last one."""


class WatchableListDownloadRequest:
    """A list that is on its way; its methods may be called from any thread."""

    def __init__(self, session: Session, timeout: float, callback: PartCallback | None) -> None:
        self._session = session
        self._timeout = timeout
        self._callback = callback
        self._request: Request[bool] = Request(GET_LIST, self._take_page)
        self._request_id: int | None = None
        self._reader = PageReader()
        self._globs: tuple[str, ...] = ()  # what the server cannot choose by itself
        self._content = WatchableListContentPart()
        self._parts: deque[tuple[WatchableListContentPart, bool]] = deque()
        self._silence = Deadline(timeout)
        self._failure: ScrutinyError | None = None
        self._completed_at: datetime | None = None

    def __repr__(self) -> str:
        state = "complete" if self.is_success else "failed" if self.completed else "under way"
        return f"<WatchableListDownloadRequest {state}, {self._reader.count} entries came>"

    def start(self, types: Iterable[WatchableType], globs: Sequence[str], max_per_response: int) -> None:
        """Ask the server; called once."""
        if self._session.is_websocket and len(globs) > 1:
            self._globs, globs = tuple(globs), ()
        fields = encode_list_request(types, globs, max_per_response)
        self._request_id = self._session.send_request(self._request, fields, self._silence)

    def wait_for_completion(self, timeout: float | None = None) -> None:
        """Wait until the list is complete; the callback is called meanwhile, on this thread.

        :param timeout: seconds; None waits as long as pages come, each within the client's timeout.
        :raises TimeoutException: if the list is not complete in time.
        :raises OperationFailure: if the server refuses, or the request was cancelled.
        :raises ConnectionError: if the connection goes, or a page is broken.
        """
        deadline = None if timeout is None else Deadline(check_timeout(timeout))
        while True:
            self._deliver()
            if self.completed and not self._parts:
                break
            self._wait_for_page(deadline)
        failure = self._request.error or self._failure
        if failure is not None:
            raise failure

    def cancel(self) -> None:
        """Give the list up; what the server still sends of it is ignored.

        :raises OperationFailure: if it has ended already.
        """
        if self.completed:
            reason = "the list has ended already"
            raise OperationFailure(f"{GET_LIST} cannot be cancelled: {reason}", GET_LIST, reason)
        self._fail(OperationFailure(f"{GET_LIST} was cancelled by this client", GET_LIST, "cancelled"))

    def get(self) -> WatchableListContentPart:
        """Return the list.

        :raises InvalidValueError: if it is not complete, has failed, or went to a callback.
        """
        if self._callback is not None:
            raise InvalidValueError("there is no list to get: its parts go to partial_reception_callback")
        if not self.is_success:
            state = f"failed: {self.failure_reason}" if self.completed else "is not complete"
            raise InvalidValueError(f"there is no list to get: it {state}; call wait_for_completion first")
        return self._content

    @property
    def completed(self) -> bool:
        """Whether it has ended, well or not."""
        if self._failure is None and not self._request.is_done:
            self._notice_end()
        return self._failure is not None or self._request.is_done

    @property
    def is_success(self) -> bool:
        """Whether all of the list is here."""
        return self._request.is_done and self._request.error is None and self._failure is None

    @property
    def completion_datetime(self) -> datetime | None:
        """When the list was complete; None if it is not."""
        return self._completed_at

    @property
    def failure_reason(self) -> str:
        """Why it failed; ``""`` if it did not, or not yet."""
        failure = self._request.error or self._failure
        return "" if failure is None else str(failure)

    def _take_page(self, message: Fields) -> bool:
        """Take a page; called on the reader thread with the lock held."""
        is_direct = self._callback is None and not self._globs
        part = self._content if is_direct else WatchableListContentPart()
        is_last = self._reader.read(message, part)
        if self._globs:
            part = _chosen(part, self._globs)
        if self._callback is not None:
            self._parts.append((part, is_last))
        elif not is_direct:
            self._content.extend(part)
        self._silence = Deadline(self._timeout)
        if is_last:
            self._completed_at = datetime.now(UTC).astimezone()
        return is_last or MORE

    def _deliver(self) -> None:
        while self._parts and self._callback is not None:
            self._callback(*self._parts.popleft())

    def _wait_for_page(self, deadline: Deadline | None) -> None:
        seen, limit = self._reader.count, self._silence
        if deadline is not None and deadline.remaining() < limit.remaining():
            limit = deadline
        try:
            self._session.wait_for(
                lambda: self._request.is_done or self._parts or self._reader.count > seen,
                limit,
                f"the list was not complete ({seen} entries came)",
            )
        except TimeoutException:
            if limit is deadline:
                raise
        except ConnectionError as exc:
            self._fail(exc)

    def _notice_end(self) -> None:
        """Fail if no page can come any more, or none has come for too long."""
        try:
            self._session.check_open()
        except ConnectionError as exc:
            self._fail(exc)
        if self._silence.has_passed:
            self._fail(
                TimeoutException(
                    f"the server sent no more of its list for {self._timeout:g} s "
                    f"({self._reader.count} entries came); expected the next page at once. "
                    "Check that the server is alive."
                )
            )

    def _fail(self, failure: ScrutinyError) -> None:
        if self._request_id is not None:
            self._session.forget(self._request_id)
        if self._failure is None and not self._request.is_done:
            self._failure = failure


def _chosen(part: WatchableListContentPart, globs: tuple[str, ...]) -> WatchableListContentPart:
    """Return what matches one of the globs; arrays are none on servers that need this."""

    def choose(kind: dict[str, BriefWatchableConfiguration]) -> dict[str, BriefWatchableConfiguration]:
        return {p: entry for p, entry in kind.items() if any(fnmatchcase(p, glob) for glob in globs)}

    return WatchableListContentPart(choose(part.var), choose(part.alias), choose(part.rpv))


class _Client(Protocol):
    """What the listing commands need of the client that inherits them."""

    timeout: float

    @property
    def session(self) -> Session: ...

    def get_watchable_info(self, paths: list[str]) -> dict[str, BaseDetailedWatchableConfiguration]: ...


class ListingCommands:
    """The doors of ScrutinyClient to the names on the server."""

    def download_watchable_list(
        self: _Client,
        types: list[WatchableType] | None = None,
        max_per_response: int = 500,
        name_patterns: Sequence[str] = (),
        partial_reception_callback: PartCallback | None = None,
    ) -> WatchableListDownloadRequest:
        """Ask for the list of what can be watched, and return at once; see ``wait_for_completion``.

        :param types: the kinds to list; none for all. Arrays come with variables.
        :param max_per_response: entries in one message of the server.
        :param name_patterns: globs of which one must match: ``*`` matches ``/`` too, and ``[`` is written
            ``[[]`` (``glob.escape``); none for all. An array is chosen by its path without indices.
        :param partial_reception_callback: called with each part of the list and whether it is the last one,
            by the thread that waits in ``wait_for_completion``; then ``get`` has nothing to give.
        """
        kinds = _check_types(types)
        globs = _check_texts(name_patterns, "name_patterns", "globs, for example ['/psu/*']")
        if isinstance(max_per_response, bool) or not isinstance(max_per_response, int):
            raise TypeError(f"max_per_response {max_per_response!r} is no whole number; expected 1 or more")
        request = WatchableListDownloadRequest(self.session, self.timeout, partial_reception_callback)
        request.start(kinds, globs, max_per_response)
        return request

    def get_watchable_count(self: _Client) -> dict[ServerDatastoreContentType, int]:
        """Return how many names of each kind the server has; WatchableType finds them too."""
        return self.session.request(GET_COUNT, None, decode_watchable_count, Deadline(self.timeout))

    def get_watchable_info(self: _Client, paths: list[str]) -> dict[str, BaseDetailedWatchableConfiguration]:
        """Return ``{path: what the server knows about it}`` without watching anything.

        :raises NotSupportedByServerError: on servers before 0.10, which tell it only of what is watched.
        :raises OperationFailure: if one of the paths is unknown.
        """
        wanted = dict.fromkeys(_check_texts(paths, "paths", "server paths, for example ['/rpv/x1000']"))
        infos = self.session.request(
            GET_INFO, encode_watchable_info_request(wanted), decode_watchable_info, Deadline(self.timeout)
        )
        missing = [path for path in wanted if path not in infos]
        if missing:
            raise BadResponseError(f"the server told nothing about {missing[0]}; expected all that was asked")
        return {path: detailed(infos[path]) for path in wanted}

    def get_var_watchable_info(self: _Client, path: str) -> DetailedVarWatchableConfiguration:
        """Return what the server knows about a variable.

        :raises BadTypeError: if the path is none of a variable.
        """
        return _as_kind(self.get_watchable_info([path])[path], DetailedVarWatchableConfiguration)

    def get_alias_watchable_info(self: _Client, path: str) -> DetailedAliasWatchableConfiguration:
        """Return what the server knows about an alias.

        :raises BadTypeError: if the path is none of an alias.
        """
        return _as_kind(self.get_watchable_info([path])[path], DetailedAliasWatchableConfiguration)

    def get_rpv_watchable_info(self: _Client, path: str) -> DetailedRPVWatchableConfiguration:
        """Return what the server knows about an RPV.

        :raises BadTypeError: if the path is none of an RPV.
        """
        return _as_kind(self.get_watchable_info([path])[path], DetailedRPVWatchableConfiguration)


_WORDS = {
    DetailedVarWatchableConfiguration: "a variable",
    DetailedAliasWatchableConfiguration: "an alias",
    DetailedRPVWatchableConfiguration: "an RPV",
}


def _as_kind(info: BaseDetailedWatchableConfiguration, kind: type[D]) -> D:
    if not isinstance(info, kind):
        raise BadTypeError(
            f"{info.path} is of type {info.type.name}; expected the path of {_WORDS[kind]}. "
            "get_watchable_info tells about any kind."
        )
    return info


def _check_types(types: object) -> list[WatchableType]:
    if types is None:
        return []
    if not isinstance(types, list | tuple | set | frozenset):
        raise TypeError(f"types {types!r} is no list; expected one of WatchableType's members")
    for kind in types:
        if not isinstance(kind, WatchableType):
            raise TypeError(f"type {kind!r} is none; expected a member of WatchableType")
    return list(types)


def _check_texts(texts: object, name: str, expected: str) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} {texts!r} is no list; expected a list of {expected}")
    found = list(texts)
    for text in found:
        if not isinstance(text, str):
            raise TypeError(f"{name} has {text!r}, which is no string; expected {expected}")
    return found
