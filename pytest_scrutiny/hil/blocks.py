"""Context managers that notice when nobody enters them.

``value.never(above(5))`` without a ``with`` before it checks nothing, and its test would stay green. A Block
is known to its device from its making; one that was never entered fails the end of the test.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, Generic, NoReturn, ParamSpec, TypeVar

from pytest_scrutiny.errors import NotAllowedError

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device
    from pytest_scrutiny.hil.value import Value

T = TypeVar("T")
P = ParamSpec("P")
Owner = TypeVar("Owner", "Device", "Value")


class Block(Generic[T]):
    """A context manager of a device.

    :param call: how it was made, for texts: ``never(above(5))``.
    :param prefix: of what, for texts: ``"/psu/voltage: "``.
    """

    def __init__(
        self, device: "Device", call: str, manager: AbstractContextManager[T], prefix: str = ""
    ) -> None:
        self._device = device
        self._name = prefix + call
        self._verb = call.partition("(")[0]
        self._manager = manager
        device.unentered.append(self)

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def __enter__(self) -> T:
        if self not in self._device.unentered:
            raise NotAllowedError(f"{self._name} was entered already, and is for once; {self.advice}")
        self._device.unentered.remove(self)
        return self._manager.__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._manager.__exit__(exc_type, exc, traceback)

    if not TYPE_CHECKING:  # a type checker knows that a Block has no other attributes

        def __getattr__(self, name: str) -> NoReturn:
            """Say how it is meant, to whoever forgot the ``with``."""
            raise AttributeError(f"{self._name} has no attribute {name!r}; {self.advice}")

    @property
    def advice(self) -> str:
        """What to write instead."""
        return f"write: with {self._verb}(...):"

    def complaint(self) -> str:
        """Return what is wrong with a block that was never entered."""
        return f"{self._name} was never entered, so it did nothing; {self.advice}"


def block(
    function: Callable[Concatenate[Owner, P], Iterator[T]],
) -> Callable[Concatenate[Owner, P], Block[T]]:
    """Make a generator method of a device or a value return a Block; else as contextlib.contextmanager."""
    make = contextlib.contextmanager(function)

    def method(owner: Owner, /, *args: P.args, **kwargs: P.kwargs) -> Block[T]:
        shown = [*(repr(arg) for arg in args), *(f"{key}={value!r}" for key, value in kwargs.items())]
        call = f"{function.__name__}({', '.join(shown)})"
        return Block(owner.block_home, call, make(owner, *args, **kwargs), owner.block_prefix)

    functools.update_wrapper(method, function)
    return method
