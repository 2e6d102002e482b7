"""How much may be on its way into the store at once, in bytes; not thread-safe."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType


class FullError(Exception):
    """There is no room now; there will be when something is stored."""


class Room:
    """A budget of bytes that requests share."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def share(self) -> Share:
        """Return an empty share; leaving it gives back what it took."""
        return Share(self)

    def move(self, count: int) -> None:
        """Take bytes, or give them back when the count is negative.

        Raises:
            FullError: there are not so many left.
        """
        if count > self._left:
            raise FullError("more spans wait for the store than there is room for")
        self._left -= count


class Share:
    """What one request holds of the room, as long as the block lasts."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def take(self, count: int) -> None:
        """Take so many bytes more.

        Raises:
            FullError: there are not so many left.
        """
        self._room.move(count)
        self._taken += count

    def handed_over(self) -> Callable[[object], None]:
        """Return what gives back all that was taken; leaving the block then gives back nothing."""
        taken, self._taken = self._taken, 0
        return lambda _done: self._room.move(-taken)

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._room.move(-self._taken)
        self._taken = 0
