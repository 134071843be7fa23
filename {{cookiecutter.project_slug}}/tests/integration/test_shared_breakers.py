"""What one process finds out about a partner all others know at once; operators have the last word."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app import cli
from app.cache.circuit_wishes import CircuitWishes, Wish
from app.cache.redis import Redis, open_redis
from app.clients.ssrf_guard import UrlRules
from app.core.identity import service_identity
from app.resilience.circuit_breaker import BreakerOptions
from app.resilience.policy import Policy
from tests.support.commands import STRONG_KEY
from tests.support.errands import errands, settings_with_partners
from tests.support.metrics import scrape
from tests.support.outages import BreakableValkey
from tests.support.partner import Partner, open_partner
from tests.support.service import RunningService, run_service
from tests.support.waiting import eventually, happens

# Open for longer than a test takes, unless somebody says otherwise.
POLICY = Policy(attempts=1, breaker=BreakerOptions(minimum_calls=4, open_seconds=600))


class Fleet:
    """Some processes that call one partner and share one Redis."""

    def __init__(self, stack: AsyncExitStack, partner: Partner, database_url: str, redis_url: str | None) -> None:
        self.stack = stack
        self.partner = partner
        self.settings = settings_with_partners(database_url=database_url, redis_url=redis_url, helper=partner.url)
        self.services: list[RunningService] = []

    async def start_one(self) -> None:
        running = run_service(self.settings, routers=[errands(POLICY, UrlRules())])
        self.services.append(await self.stack.enter_async_context(running))

    async def call(self, *, at: int) -> int:
        """How it was answered."""
        return (await self.services[at].client.get("/v1/errands/to/thing")).status_code

    async def asks(self, *, at: int) -> bool:
        """Whether a call there reaches the partner."""
        before = len(self.partner.requests)
        await self.call(at=at)
        return len(self.partner.requests) > before

    async def all_ask(self) -> bool:
        return all([await self.asks(at=place) for place in range(len(self.services))])

    async def none_asks(self) -> bool:
        return not any([await self.asks(at=place) for place in range(len(self.services))])

    async def state(self, state: str, *, at: int) -> bool:
        found = await scrape(self.services[at].management)
        return found.value("circuit_state", circuit="helper", state=state) == 1

    async def hear_each_other(self) -> bool:
        found = [await scrape(service.management) for service in self.services]
        return all(one.value("broadcast_heard") == 1 for one in found)


@pytest.fixture
async def fleet(stack: AsyncExitStack, database_url: str, valkey: BreakableValkey) -> Fleet:
    """Of two, which hear each other and have called their partner."""
    partner = await stack.enter_async_context(open_partner())
    found = Fleet(stack, partner, database_url, valkey.url)
    for _ in range(2):
        await found.start_one()
    assert await found.all_ask()
    await eventually(found.hear_each_other)
    return found


@pytest.fixture
async def redis(valkey: BreakableValkey) -> AsyncIterator[Redis]:
    client = open_redis(valkey.url, timeout_seconds=5, max_connections=2)
    yield client
    await client.aclose()


async def command(redis_url: str, *arguments: str) -> str:
    """What `app breakers` prints; fails unless it succeeds."""

    def invoke() -> str:
        variables = {"DATABASE_URL": "postgresql://app@/app", "REDIS_URL": redis_url, "SECRET_KEY": STRONG_KEY}
        result = CliRunner().invoke(cli.commands, ["breakers", *arguments], env=variables, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return await asyncio.to_thread(invoke)


async def is_listed(redis_url: str) -> bool:
    return "helper" in await command(redis_url, "list")


async def test_when_one_process_finds_a_partner_dead_no_other_asks_it(fleet: Fleet) -> None:
    fleet.partner.behave(status=500)
    for _ in range(4):
        await fleet.call(at=0)
    began = time.monotonic()

    is_open = await happens(lambda: fleet.state("open", at=1))
    took = time.monotonic() - began

    assert is_open
    assert took < 1
    assert not await fleet.asks(at=1)
    assert (await scrape(fleet.services[1].management)).value(
        "circuit_openings_total", circuit="helper", cause="elsewhere"
    ) == 1


async def test_operators_open_and_close_it_in_all_processes(fleet: Fleet, valkey: BreakableValkey) -> None:
    await eventually(lambda: is_listed(valkey.url))

    opened = await command(valkey.url, "open", "helper")
    all_obeyed = await happens(fleet.none_asks)
    listed = await command(valkey.url, "list", "--json")
    are_open = [await fleet.state("forced_open", at=place) for place in range(2)]
    closed = await command(valkey.url, "close", "helper")
    fleet.partner.behave(status=500)
    await eventually(fleet.all_ask)
    still_asked = [await fleet.asks(at=0) for _ in range(10)]
    again = await command(valkey.url, "automatic", "helper")
    await eventually(lambda: fleet.state("closed", at=0))
    asked_at_last = [await fleet.asks(at=0) for _ in range(10)]

    assert opened == ("The circuit helper is forced open: nobody calls it until `app breakers automatic helper`.\n")
    assert all_obeyed
    assert listed.split() == ["{", '"helper":', '"open"', "}"]
    assert are_open == [True, True]
    assert closed == "The circuit helper is forced closed: it stays so until `app breakers automatic helper`.\n"
    assert still_asked == [True] * 10
    assert again == "The circuit helper is automatic.\n"
    assert asked_at_last == [True] * 4 + [False] * 6


async def test_the_health_report_says_that_it_was_an_operator(
    fleet: Fleet, valkey: BreakableValkey, no_cache: None
) -> None:
    await eventually(lambda: is_listed(valkey.url))

    await command(valkey.url, "open", "helper")
    await eventually(fleet.none_asks)
    report = (await fleet.services[0].client.get("/health/ready")).json()

    said = "an operator has forced its circuit open, until `app breakers automatic helper`"
    assert report["components"]["helper"]["error"] == said


async def test_a_process_that_starts_later_obeys_too(fleet: Fleet, valkey: BreakableValkey) -> None:
    await eventually(lambda: is_listed(valkey.url))
    await command(valkey.url, "open", "helper")

    await fleet.start_one()

    await eventually(fleet.none_asks)
    assert await fleet.state("forced_open", at=2)


async def test_whoever_did_not_hear_an_operator_learns_it_when_it_hears_again(
    fleet: Fleet, redis: Redis, valkey: BreakableValkey
) -> None:
    await eventually(lambda: is_listed(valkey.url))
    await CircuitWishes(redis, prefix=service_identity().key_prefix).change("helper", Wish.OPEN)  # and nobody is told
    was_asking = await fleet.all_ask()

    await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call] # redis leaves it so

    await eventually(fleet.none_asks)
    assert was_asking


async def test_what_redis_has_forgotten_it_is_told_again(fleet: Fleet, valkey: BreakableValkey) -> None:
    await eventually(lambda: is_listed(valkey.url))
    await command(valkey.url, "open", "helper")
    await eventually(fleet.none_asks)

    with capture_logs() as lines:
        await come_back_empty(valkey)
        is_told = await happens(lambda: is_wanted(valkey.url, "open"))
        await eventually(fleet.hear_each_other)
    still_obeyed = await fleet.none_asks()
    await fleet.start_one()
    obeyed_by_all = await happens(fleet.none_asks)

    assert (is_told, still_obeyed, obeyed_by_all) == (True, True, True)
    assert await fleet.state("forced_open", at=2)
    assert [line["circuits"] for line in lines if line["event"] == "circuit_wishes_restored"] == [["helper"]]
    assert [line for line in lines if line["event"] == "circuit_closed"] == []


async def test_what_an_operator_has_taken_back_stays_so_when_redis_has_forgotten_it(
    fleet: Fleet, valkey: BreakableValkey
) -> None:
    await eventually(lambda: is_listed(valkey.url))
    await command(valkey.url, "open", "helper")
    await eventually(fleet.none_asks)
    await command(valkey.url, "automatic", "helper")
    await eventually(fleet.all_ask)

    await come_back_empty(valkey)
    await eventually(lambda: is_wanted(valkey.url, "automatic"))
    await eventually(fleet.hear_each_other)

    assert await fleet.all_ask()


async def come_back_empty(valkey: BreakableValkey) -> None:
    await asyncio.to_thread(valkey.kill)
    await asyncio.to_thread(valkey.start)


async def is_wanted(redis_url: str, wish: str) -> bool:
    listed: dict[str, str] = json.loads(await command(redis_url, "list", "--json"))
    return listed.get("helper") == wish


async def test_without_redis_each_process_finds_out_by_itself(stack: AsyncExitStack, database_url: str) -> None:
    partner = await stack.enter_async_context(open_partner())
    fleet = Fleet(stack, partner, database_url, None)
    await fleet.start_one()
    partner.behave(status=500)

    answers = [await fleet.asks(at=0) for _ in range(6)]

    assert answers == [True] * 4 + [False] * 2


# --- What operators are told ---


def refusal(
    *arguments: str, redis_url: str | None, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Its exit code, and what it says on stderr."""
    for name, value in {"SECRET_KEY": STRONG_KEY, "REDIS_URL": redis_url}.items():
        if value:
            patch.setenv(name, value)
    patch.setattr("sys.argv", ["app", "breakers", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def test_an_unknown_circuit_is_a_sentence_and_code_1(
    valkey: BreakableValkey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refusal("open", "shiping", redis_url=valkey.url, patch=monkeypatch, capsys=capsys)

    assert (code, said) == (1, "There is no circuit 'shiping'. These are known: none so far.\n")


def test_without_an_address_of_redis_it_says_what_is_missing_with_code_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refusal("list", redis_url=None, patch=monkeypatch, capsys=capsys)

    assert code == 78
    assert "REDIS_URL is not set" in said


@pytest.mark.parametrize("arguments", [["list"], ["open", "helper"]])
def test_a_redis_that_is_gone_is_a_sentence_and_code_69(
    stopped_valkey: BreakableValkey,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, said = refusal(*arguments, redis_url=stopped_valkey.url, patch=monkeypatch, capsys=capsys)

    assert code == 69
    assert said.startswith("Redis cannot be reached")
    assert len(said.splitlines()) == 1
