"""Names on the server: which there are, and which one a test may have meant."""

import difflib
import glob
import itertools
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import NameNotFoundError, OperationFailure, ScrutinyError, TimeoutException
from pytest_scrutiny.model.listing import VariableFactoryInterface, WatchableListContentPart

SEARCH_TIMEOUT = 0.5
"""Seconds to look for similar names, once the test has failed already; 100,000 names take 0.2 to 0.4 s."""

MOST_CANDIDATES = 2000
"""Names that are compared: about 0.1 s of work."""

MOST_ELEMENTS = 1000
"""Elements up to which an array is written out: what is larger is a buffer rather than a row of values."""

_LETTERS = 4  # of the last component's beginning and end that a similar name must share one of
_INDICES = re.compile(r"\[[0-9]*\]")


def list_paths(client: ScrutinyClient, pattern: str, timeout: float | None) -> list[str]:
    """Return the paths that match a glob, sorted; see ``Device.paths``."""
    # A server knows an array by its path without indices only, so an index in the pattern is for us.
    arrays = pattern.partition("[[]")[0]
    listed = _download(client, [pattern] if arrays == pattern else [pattern, f"{arrays}*"], timeout)
    paths = [path for kind in (listed.rpv, listed.alias, listed.var) for path in kind]
    chosen = {path for path in paths if fnmatchcase(path, pattern)}
    for array in listed.var_factory.values():
        is_all = fnmatchcase(array.access_path, pattern)
        chosen.update(path for path in _elements(array) if is_all or fnmatchcase(path, pattern))
    return sorted(chosen)


def _elements(array: VariableFactoryInterface) -> Iterator[str]:
    """Return an array's elements; of a very large one the first only."""
    is_small = array.count_possible_paths() <= MOST_ELEMENTS
    return itertools.islice(array.element_paths(), MOST_ELEMENTS if is_small else 1)


def _download(client: ScrutinyClient, globs: list[str], timeout: float | None) -> WatchableListContentPart:
    request = client.download_watchable_list(name_patterns=globs)
    try:
        request.wait_for_completion(timeout)
    except TimeoutException:
        if not request.completed:
            request.cancel()
        raise
    return request.get()


def is_about_name(path: str, refusal: OperationFailure) -> bool:
    """Return whether a server refused a path because it names nothing."""
    # For indices that do not fit its words are "Internal error" (0.9.2 to 0.16.0, observed).
    return refusal.reason.startswith("Unknown watchable") or (
        "[" in path and refusal.reason == "Internal error"
    )


def not_found(client: ScrutinyClient, path: str, device: str) -> NameNotFoundError:
    """Return the error for a path that names nothing, with what may have been meant.

    :param device: firmware and SFD, for the text.
    """
    bare = _INDICES.sub("", path)
    try:
        listed = _download(client, [glob.escape(bare), *similar_globs(bare)], SEARCH_TIMEOUT)
    except ScrutinyError:  # the search is a courtesy; that it failed must not hide what it was for
        listed = WatchableListContentPart()
    array = listed.var_factory.get(bare)
    if array is not None:
        return NameNotFoundError(
            f"{path} is unknown to the server ({device}): {bare} is an array, {array.describe_dims()}; "
            f"expected one of its elements, for example {next(array.element_paths(), bare)}."
        )
    close = closest(path, _candidates(listed))
    hint = f"did you mean {', '.join(close)}?" if close else "Check its spelling; Device.paths() lists all."
    return NameNotFoundError(
        f"{path} is unknown to the server ({device}); "
        f"expected the path of a variable, an alias or an RPV. {hint[0].upper()}{hint[1:]}"
    )


def similar_globs(path: str) -> list[str]:
    """Return globs for names whose last component begins or ends alike, and for the name's neighbours."""
    parent, _, name = path.rstrip("/").rpartition("/")
    globs = [f"{glob.escape(parent)}/*"] if parent else []
    if name:
        globs += [f"*/{_any_case(name[:_LETTERS])}*", f"*{_any_case(name[-_LETTERS:])}"]
    return globs


def _any_case(text: str) -> str:
    return "".join(
        f"[{char.lower()}{char.upper()}]" if char.isalpha() else glob.escape(char) for char in text
    )


def _candidates(listed: WatchableListContentPart) -> Iterator[str]:
    yield from itertools.chain(listed.var, listed.alias, listed.rpv)
    for array in listed.var_factory.values():
        yield from itertools.islice(array.element_paths(), 1)


def closest(path: str, candidates: Iterable[str]) -> list[str]:
    """Return up to three paths that are most like this one, the best first, regardless of case."""
    by_lower = {path.lower(): path for path in itertools.islice(candidates, MOST_CANDIDATES)}
    return [by_lower[lower] for lower in difflib.get_close_matches(path.lower(), by_lower, n=3)]
