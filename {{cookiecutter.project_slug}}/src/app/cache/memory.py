"""What this process remembers by itself: the values that were used last."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from app.cache.kinds import Lifetime

# Of the entry itself, its key and its tags, which small values must not escape from.
OVERHEAD_BYTES = 1024


@dataclass(slots=True, eq=False)
class Entry:
    """One value, and the time until which it is fresh."""

    value: Any  # Any: of every kind
    fresh_until: float
    lifetime: Lifetime
    tags: Collection[str]
    size: int
    # When it may be tried again to load it anew: not with each call while the provider of the value is down.
    try_at: float = 0.0

    def is_servable(self, now: float) -> bool:
        """Fresh, or stale and to be served while it is loaded anew."""
        return now < self.fresh_until + self.lifetime.while_refreshing

    def is_fallback(self, now: float) -> bool:
        """Better than an error."""
        return now < self.fresh_until + self.lifetime.if_failing

    def doubt(self, now: float) -> None:
        """It may be fresh or not: from now on it is only better than an error."""
        self.lifetime = Lifetime(fresh=0, if_failing=self.lifetime.if_failing)
        self.fresh_until = min(self.fresh_until, now)


class Memory:
    """At most `most_bytes` of encoded values; those that were not used for longest give way."""

    def __init__(self, *, most_bytes: int, clock: Callable[[], float]) -> None:
        self.most_bytes = most_bytes
        self.clock = clock
        self.bytes = 0
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.keys_of: dict[str, set[str]] = {}

    def get(self, key: str) -> Entry | None:
        """However old it is."""
        entry = self.entries.get(key)
        if entry is not None:
            self.entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        self.drop(key)
        self.entries[key] = entry
        self.bytes += entry.size + OVERHEAD_BYTES
        for tag in entry.tags:
            self.keys_of.setdefault(tag, set()).add(key)
        while self.bytes > self.most_bytes:
            self.drop(next(iter(self.entries)))

    def drop(self, key: str) -> None:
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= entry.size + OVERHEAD_BYTES
        for tag in entry.tags:
            self.keys_of[tag].discard(key)
            if not self.keys_of[tag]:
                del self.keys_of[tag]

    def drop_tagged(self, tags: Iterable[str]) -> None:
        """Whatever carries one of them."""
        for tag in tags:
            for key in list(self.keys_of.get(tag, ())):
                self.drop(key)

    def doubt_all(self) -> None:
        """Somebody may have changed any of it."""
        now = self.clock()
        for entry in self.entries.values():
            entry.doubt(now)
