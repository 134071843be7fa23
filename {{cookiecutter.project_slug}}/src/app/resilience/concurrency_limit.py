"""Lets so many in at a time; others wait in a short line, the more important ones in front."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from math import inf

from app.core.errors import Unavailable

# How often those are sent away who have waited for too long, as a part of that time.
SWEEP_RATIO = 0.1


class Priority(IntEnum):
    """Who is let in first. Also a metric's label."""

    ANONYMOUS = 0
    AUTHENTICATED = 1


class Overloaded(Unavailable):
    """More requests come than can be answered in time."""

    def __init__(self) -> None:
        super().__init__("The service gets more requests than it can answer. Try again shortly.")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One caller's, in a line."""

    until: float
    turn: asyncio.Future[None]

    def refuse(self) -> None:
        if not self.turn.done():  # else its owner was cancelled, and is about to leave by itself
            self.turn.set_exception(Overloaded())


class ConcurrencyLimit:
    """At most `limit` are in at once, and `places` in line, each for little more than `wait_seconds`.

    Within a priority, whoever came first is let in first. When the line is full, a more important one
    takes the place of the newest of the least important. Whoever got in must `leave`.

    Nobody joins a line whose first has waited for `hopeless_seconds`, if they are given: who comes behind that one
    would hardly be let in, and to be sent away at once costs less than to be sent away later. CoDel looks at how long
    the oldest has waited, too, and not at how many there are (Nichols and Jacobson, Controlling Queue Delay, 2012).
    """

    def __init__(
        self,
        *,
        limit: int,
        places: int,
        wait_seconds: float,
        clock: Callable[[], float],
        hopeless_seconds: float = inf,
    ) -> None:
        self.limit = limit
        self.places = places
        self.wait_seconds = wait_seconds
        self.hopeless_seconds = hopeless_seconds
        self.clock = clock
        self.in_flight = 0
        self.will_sweep = False
        self.lines: dict[Priority, deque[Place]] = {priority: deque() for priority in sorted(Priority, reverse=True)}

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(map(len, self.lines.values()))

    @property
    def has_room(self) -> bool:
        """Whether nobody would have to wait."""
        return self.in_flight < self.limit

    def try_enter(self) -> bool:
        """Whether there was room, so that the caller is in."""
        has_room = self.has_room
        self.in_flight += has_room
        return has_room

    def refuses(self, priority: Priority) -> bool:
        """Whether nobody of this importance may even stand in line now."""
        return self.is_hopeless(priority) or self.is_full(priority)

    async def wait(self, priority: Priority) -> None:
        """Wait in line until let in. Raises `Overloaded`."""
        place = self.take_place(priority)
        is_in = False
        try:
            await place.turn
            is_in = True
        finally:
            if not is_in:
                self.give_up(place, priority)

    def take_place(self, priority: Priority) -> Place:
        if self.refuses(priority):
            raise Overloaded
        if self.waiting >= self.places:
            self.send_away_one()
        loop = asyncio.get_running_loop()
        place = Place(self.clock() + self.wait_seconds, loop.create_future())
        self.lines[priority].append(place)
        if not self.will_sweep:
            self.sweep_later()
        return place

    def is_hopeless(self, priority: Priority) -> bool:
        """Whether somebody who is at least as important, and in front, has waited for so long."""
        late = self.clock() + self.wait_seconds - self.hopeless_seconds
        return any(line[0].until < late for other, line in self.lines.items() if other >= priority and line)

    def is_full(self, priority: Priority) -> bool:
        """Whether there is no place, and everybody in line is at least as important."""
        return self.waiting >= self.places and not any(self.lines[lower] for lower in Priority if lower < priority)

    def send_away_one(self) -> None:
        """Make room in a full line: the newest of the least important."""
        line = next(self.lines[priority] for priority in sorted(Priority) if self.lines[priority])
        line.pop().refuse()

    def sweep_later(self) -> None:
        self.will_sweep = True
        asyncio.get_running_loop().call_later(self.wait_seconds * SWEEP_RATIO, self.sweep)

    def sweep(self) -> None:
        """Send away whoever has waited for too long: in each line the first came first."""
        now = self.clock()
        for line in self.lines.values():
            while line and line[0].until <= now:
                line.popleft().refuse()
        self.will_sweep = False
        if self.waiting:
            self.sweep_later()

    def give_up(self, place: Place, priority: Priority) -> None:
        """The caller was cancelled or sent away: nothing may stay taken."""
        if place in self.lines[priority]:
            self.lines[priority].remove(place)
        elif not place.turn.cancelled() and place.turn.exception() is None:
            self.leave()  # let in at the very moment in which it was cancelled

    def leave(self) -> None:
        """Make room for the next in line."""
        self.in_flight -= 1
        self.admit()

    def admit(self) -> None:
        """Let in as many as there is room for: also after the limit has grown."""
        for line in self.lines.values():
            while line and self.in_flight < self.limit:
                place = line.popleft()
                if not place.turn.done():
                    self.in_flight += 1
                    place.turn.set_result(None)
