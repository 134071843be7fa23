"""What is remembered of a function, said where that stands: at the top of a module, before any cache is open."""

from collections.abc import Callable, Collection, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from app.cache.cache import Cache
from app.cache.found import Found
from app.cache.kinds import Kind

P = ParamSpec("P")
V = TypeVar("V")

Loading = Callable[P, Coroutine[Any, Any, V]]  # Any: what a coroutine yields to its loop
Remembered = Callable[Concatenate[Cache, P], Coroutine[Any, Any, Found[V]]]


def cached(
    kind: Kind[V],
    *,
    key: Callable[P, str],
    tenant: Callable[P, UUID] | None,
    tags: Callable[P, Collection[str]] | None = None,
) -> Callable[[Loading[P, V]], Remembered[P, V]]:
    """A decorator for a function that loads such a value: it then takes the cache first, and says what was found.

    @cached(TOWNS, key=lambda name: name, tenant=None, tags=lambda name: [f"town:{name}"])
    async def read_town(name: str) -> Town: ...

    found = await read_town(resources.cache, "Ulm")

    Key, tenant and tags are what `Cache.get` takes, made from the function's arguments. Raises what that raises.
    """

    def decorate(load: Loading[P, V]) -> Remembered[P, V]:
        @wraps(load)
        async def get(cache: Cache, /, *args: P.args, **kwargs: P.kwargs) -> Found[V]:
            return await cache.get(
                kind,
                key(*args, **kwargs),
                partial(load, *args, **kwargs),
                tenant=tenant(*args, **kwargs) if tenant else None,
                tags=tags(*args, **kwargs) if tags else (),
            )

        return get

    return decorate
