"""What somebody asks the cache for, and what is found."""

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.cache.kinds import Kind

V = TypeVar("V")

Load = Callable[[], Coroutine[Any, Any, V]]  # Any: what a coroutine yields to its loop


@dataclass(frozen=True, slots=True)
class Found(Generic[V]):
    """A value, and whether it is older than it should be. Many may have it at once: nobody may change it."""

    value: V
    is_stale: bool


@dataclass(slots=True, eq=False)
class Wanted(Generic[V]):
    """`is_outdated` as soon as something has changed while it was looked for: then it is not remembered."""

    kind: Kind[V]
    key: str
    tags: Collection[str]
    load: Load[V]
    is_outdated: bool = False
