"""Remembers for a moment which keys were found good, so that most requests ask the database nothing."""

from collections import OrderedDict
from collections.abc import Callable

from app.security.keys import Key
from app.security.principal import Principal

Fingerprint = tuple[str, bytes]


class VerifiedKeys:
    """The callers behind the keys that were verified last.

    A key that is revoked or expires stops working at most `seconds` later. At most `most` keys are
    remembered; the oldest gives way. Only digests are kept, so the memory of this process holds no
    usable key, and finding one takes no comparison that a caller could measure.
    """

    def __init__(self, *, seconds: float, most: int, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self.most = most
        self.clock = clock
        # A plain dict takes ever longer to find its first entry, the more of them have been deleted.
        self.found: OrderedDict[Fingerprint, tuple[float, Principal]] = OrderedDict()

    def get(self, key: Key) -> Principal | None:
        """The caller, if this key was verified within the last `seconds`."""
        found = self.found.get(fingerprint(key))
        return found[1] if found and self.clock() < found[0] else None

    def has_been_good(self, key: Key) -> bool:
        """Whether it was found good at some time, and not bad since: enough for a place in a line, or for a query."""
        return fingerprint(key) in self.found

    def forget(self, key: Key) -> None:
        """It is not good any more."""
        self.found.pop(fingerprint(key), None)

    def put(self, key: Key, caller: Principal, *, asked_at: float) -> None:
        """Remember a key that the database, asked at that time, found good."""
        place = fingerprint(key)
        self.found[place] = (asked_at + self.seconds, caller)
        self.found.move_to_end(place)
        if len(self.found) > self.most:
            self.found.popitem(last=False)


def fingerprint(key: Key) -> Fingerprint:
    return (key.prefix, key.digest)
