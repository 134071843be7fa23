"""`app breakers`: a hand on the circuits of all processes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.options import AsJson, printable
from app.cli.tables import print_table
from app.core.configuration_error import ConfigurationError

if TYPE_CHECKING:
    from app.cache.broadcast import Broadcast
    from app.cache.circuit_wishes import CircuitWishes, Wish

T = TypeVar("T")

commands = typer.Typer(help="Force circuit breakers open or closed, in all processes.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(parser=printable, metavar="NAME", help="The partner's name, as `app breakers list` shows it.")
]


@commands.command("list")
def list_breakers(*, as_json: AsJson = False) -> None:
    """List all circuits, and what operators want of each.

    Whether an automatic one is open each process decides for itself: see its metric `circuit_state`.
    """
    wanted = with_wishes(lambda wishes, _broadcast: wishes.known())
    if as_json:
        print(json.dumps(wanted, indent=2))  # noqa: T201 - the command's output
        return
    print_table(["name", "wanted"], sorted(wanted.items()))


@commands.command("open")
def force_open(name: Name) -> None:
    """Let no call pass until told otherwise."""
    from app.cache.circuit_wishes import Wish

    change(name, Wish.OPEN)
    print(f"The circuit {name} is forced open: nobody calls it until `app breakers automatic {name}`.")  # noqa: T201 - the command's output


@commands.command("close")
def force_closed(name: Name) -> None:
    """Let every call pass until told otherwise, whatever fails."""
    from app.cache.circuit_wishes import Wish

    change(name, Wish.CLOSED)
    print(f"The circuit {name} is forced closed: it stays so until `app breakers automatic {name}`.")  # noqa: T201 - the command's output


@commands.command()
def automatic(name: Name) -> None:
    """Let each process decide again by what it sees."""
    from app.cache.circuit_wishes import Wish

    change(name, Wish.AUTOMATIC)
    print(f"The circuit {name} is automatic.")  # noqa: T201 - the command's output


def change(name: str, wish: "Wish") -> None:
    from app.clients.shared_breakers import change_wish

    with_wishes(lambda wishes, broadcast: change_wish(wishes, broadcast, name, wish))


def with_wishes(action: "Callable[[CircuitWishes, Broadcast], Awaitable[T]]") -> T:
    """Connect to Redis, do it, disconnect. Raises `ConfigurationError`, and what the action raises."""
    from app.cache.broadcast import Broadcast
    from app.cache.circuit_wishes import CircuitWishes
    from app.cache.redis import open_redis
    from app.core.identity import service_identity
    from app.observability.metrics import Metrics
    from app.resources import redis_from
    from app.settings import load_settings

    async def run() -> T:
        redis = redis_from(load_settings(), open_redis, max_connections=1)
        if redis is None:
            raise ConfigurationError(["REDIS_URL is not set: without Redis, processes cannot be told to do anything."])
        prefix = service_identity().key_prefix
        async with redis:
            wishes = CircuitWishes(redis, prefix=prefix)
            return await action(wishes, Broadcast(redis, prefix=prefix, metrics=Metrics()))

    return asyncio.run(run())
