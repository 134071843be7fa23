"""What operators want of circuits, kept in Redis so that a process that starts later obeys too."""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

from redis.exceptions import RedisError

from app.cache.redis import Redis
from app.core.errors import NotFound, Unavailable


class Wish(StrEnum):
    """What a circuit should do."""

    AUTOMATIC = "automatic"
    OPEN = "open"
    CLOSED = "closed"


class WishesUnavailable(Unavailable):
    """Redis did not tell or did not take them."""

    def __init__(self) -> None:
        super().__init__("Redis cannot be reached, so nobody can be told what to do.")


class WishNotTold(Unavailable):
    """Processes that start later, or find Redis again, will know it. Those that hear Redis now may not."""

    def __init__(self) -> None:
        super().__init__("Redis has kept this, but was lost before the processes were told. Give the command again.")


class CircuitUnknown(NotFound):
    """No process of this service has such a circuit."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known)) or "none so far"
        super().__init__(f"There is no circuit {name!r}. These are known: {listed}.")


class CircuitWishes:
    """What operators said of circuits that processes have introduced. Of the others nobody said anything.

    That a circuit be automatic is a wish like the others, and not the lack of one. So a Redis that has lost them is
    told apart from an operator who has taken one back.
    """

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self.redis = redis
        self.key = f"{prefix}circuits"
        self.names_key = f"{prefix}circuit-names"

    async def read(self) -> dict[str, Wish]:
        """Raises `WishesUnavailable`."""
        try:
            found: Mapping[Any, Any] = await self.redis.hgetall(self.key)  # Any: bytes, by our choice of client
        except (RedisError, OSError) as error:
            raise WishesUnavailable from error
        return {text_of(name): wish_of(text) for name, text in found.items()}

    async def introduce(self, names: Collection[str]) -> None:
        """These circuits exist. Raises `WishesUnavailable`."""
        try:
            if names:
                await self.redis.sadd(self.names_key, *names)
        except (RedisError, OSError) as error:
            raise WishesUnavailable from error

    async def remind(self, wishes: Mapping[str, Wish]) -> list[str]:
        """Keep what Redis has lost of these, and say of which circuits. Raises `WishesUnavailable`."""
        try:
            return [name for name, wish in wishes.items() if await self.redis.hsetnx(self.key, name, wish)]
        except (RedisError, OSError) as error:
            raise WishesUnavailable from error

    async def known(self) -> dict[str, Wish]:
        """Every circuit, and what is wanted of it. Raises `WishesUnavailable`."""
        wishes = await self.read()
        try:
            names: Collection[Any] = await self.redis.smembers(self.names_key)  # Any: as above
        except (RedisError, OSError) as error:
            raise WishesUnavailable from error
        return {text_of(name): Wish.AUTOMATIC for name in names} | wishes

    async def change(self, name: str, wish: Wish) -> None:
        """Raises `CircuitUnknown`, `WishesUnavailable`."""
        known = await self.known()
        if name not in known:
            raise CircuitUnknown(name, known)
        try:
            await self.redis.hset(self.key, name, wish)
        except (RedisError, OSError) as error:
            raise WishesUnavailable from error


def text_of(name: bytes) -> str:
    return name.decode(errors="replace")


def wish_of(text: bytes) -> Wish:
    """What cannot be understood is wished by nobody."""
    try:
        return Wish(text.decode())
    except ValueError:
        return Wish.AUTOMATIC
