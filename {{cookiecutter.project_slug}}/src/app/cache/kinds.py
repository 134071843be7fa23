"""What can be cached: a kind of values, with a name, a type, and how long a value is good."""

import random
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_json

V = TypeVar("V")

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

# Entries that were made together must not end together, or all of them would be loaded in the same moment.
JITTER = 0.1

# Whoever chooses a key or a tag must not be able to choose how much memory it takes.
LONGEST_KEY = 100


def bounded(name: str) -> str:
    """A key or a tag, or its hash if it is too long; nobody can choose a name that is another's hash."""
    is_plain = len(name) <= LONGEST_KEY and not name.startswith("#")
    return name if is_plain else "#" + sha256(name.encode()).hexdigest()


@dataclass(frozen=True)
class Lifetime:
    """For how many seconds a value is good, and what it is still good for after that (RFC 5861).

    | age | what a caller gets |
    |---|---|
    | up to `fresh` | the value |
    | then for `while_refreshing` more | the value at once, marked as stale, while it is loaded anew in the background |
    | for `if_failing` more than `fresh` | a new value; if it cannot be loaded the old one, marked as stale |
    """

    fresh: float
    while_refreshing: float = 0
    if_failing: float = 0

    @property
    def hard(self) -> float:
        """After which nothing is left of it."""
        return self.fresh + max(self.while_refreshing, self.if_failing)

    def jittered(self) -> float:
        """Seconds for which one value is fresh."""
        return self.fresh * random.uniform(1 - JITTER, 1)  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True)
class Kind(Generic[V]):
    """Declared once, at the top of a module: `QUOTES = Kind("quotes", Quote, Lifetime(fresh=60))`.

    The type's shape is a part of each key, so releases that differ in it do not see each other's values. `version`
    goes up when the meaning changes and the shape does not. That there is nothing (`None`, if the type allows it) is
    remembered for `missing_seconds`.
    """

    name: str
    type: Any  # Any: what a TypeAdapter takes, unions too
    lifetime: Lifetime
    version: int = 1
    missing_seconds: float = 0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"A kind's name is one word in lower case; this one is {self.name!r}.")

    @cached_property
    def adapter(self) -> TypeAdapter[V]:
        return TypeAdapter(self.type)

    @cached_property
    def prefix(self) -> str:
        """What stands in front of all keys of this kind."""
        shape = sha256(to_json(self.adapter.json_schema())).hexdigest()[:8]
        return f"{self.name}:{self.version}-{shape}:"

    def key(self, key: str, tenant: UUID | None) -> str:
        """A tenant's, or everybody's without one. Nobody's key can be another's."""
        return f"{self.prefix}{tenant or '-'}:{bounded(key)}"

    def lifetime_of(self, value: V) -> Lifetime:
        """What there is may become stale, what there is not may not."""
        return Lifetime(fresh=self.missing_seconds) if value is None else self.lifetime

    def encode(self, value: V) -> bytes:
        """JSON. Raises `PydanticSerializationError` for what is not of this kind's type."""
        return self.adapter.dump_json(value, warnings="error")

    def decode(self, text: bytes) -> V:
        """Raises `ValueError` for what somebody else has written."""
        return self.adapter.validate_json(text)
