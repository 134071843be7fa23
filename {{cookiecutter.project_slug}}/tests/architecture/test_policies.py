"""Deny by default: every route says who may call it."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from app.assembly import application
from app.assembly.management import create_management_app
from app.assembly.policies import RoutesRefused, check_policies, known_scopes, policies_of
from app.assembly.routes import ROUTERS
from app.health.draining import Draining
from app.health.report import Health
from app.observability.metrics import Metrics
from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import API_KEY, requires
from app.web.dependencies import Session
from app.web.idempotency.dependencies import IdempotencyKey
from app.web.idempotency.route import IdempotentRoute
from app.web.rate_limits import LimitedByAddress, limiter
from app.web.shared_answers.dependencies import Audience, shared_answer
from app.web.shared_answers.route import SharingRoute
from tests.support.app import unopened_app
from tests.support.doors import router as doors

UNDECLARED = (
    "GET /v1/things does not say who may call it: give it a caller, such as "
    '`caller: Annotated[Principal, requires("things:read")]`, or mark it with `@public`.'
)
Reader = Annotated[Principal, requires("things:read")]
AmongCallers = Annotated[None, shared_answer()]
AmongAll = Annotated[None, shared_answer(among=Audience.EVERYBODY)]


def refusal_of(endpoint: Any, **options: Any) -> str:
    """What the check says about one route; empty if it is content."""
    app = FastAPI(openapi_url=None)
    app.add_api_route("/v1/things", endpoint, **options)
    return said_about(app)


def said_about(app: FastAPI) -> str:
    try:
        check_policies(app)
    except RoutesRefused as error:
        return str(error)
    return ""


async def undeclared() -> None:
    pass


@public
async def open_to_all() -> None:
    pass


async def identified(caller: Annotated[Principal, Security(API_KEY)]) -> None:
    pass


async def scoped(caller: Reader) -> None:
    pass


@public
async def contradictory(caller: Reader) -> None:
    pass


async def session_first(session: Session, caller: Reader) -> None:
    pass


async def caller_first(caller: Reader, session: Session) -> None:
    pass


async def reader_of_things(caller: Reader) -> Principal:
    return caller


async def scoped_indirectly(reader: Annotated[Principal, Depends(reader_of_things)]) -> None:
    pass


def test_every_route_of_the_service_is_public_or_needs_a_scope() -> None:
    undecided = [policy.name for policy in policies_of(unopened_app()) if policy.is_public == bool(policy.scopes)]

    assert policies_of(unopened_app())
    assert undecided == []


def test_only_these_routes_are_public() -> None:
    found = {policy.name for policy in policies_of(unopened_app()) if policy.is_public}

    assert found == {
        "GET /health/live",
        "GET /health/ready",
        "GET /health/startup",
        "HEAD /health/live",
        "HEAD /health/ready",
        "HEAD /health/startup",
        "GET /docs",
        "GET /redoc",
        "GET /docs/assets/{fingerprint}/{package}/{name}",
        "GET HEAD /openapi.json",
    }, "whoever adds one here has thought about it"


def test_every_route_for_operators_is_decided_too() -> None:
    metrics = Metrics()
    app = create_management_app(health=Health([], draining=Draining(), metrics=metrics), metrics=metrics)

    assert {policy.name: str(policy) for policy in policies_of(app)} == {
        "GET /health/live": "public",
        "GET /health/ready": "public",
        "GET /health/startup": "public",
        "HEAD /health/live": "public",
        "HEAD /health/ready": "public",
        "HEAD /health/startup": "public",
        "GET /metrics": "public",
    }


def test_a_service_with_an_undeclared_route_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()
    router.add_api_route("/v1/things", undeclared)
    router.add_api_route("/v1/others", undeclared, methods=["POST", "PUT"])
    monkeypatch.setattr(application, "ROUTERS", [*ROUTERS, router])

    with pytest.raises(RoutesRefused) as refused:
        unopened_app()

    sentences = str(refused.value).splitlines()
    assert sentences[0] == UNDECLARED
    assert [sentence.partition(" does")[0] for sentence in sentences] == ["GET /v1/things", "POST PUT /v1/others"]


@pytest.mark.parametrize("endpoint", [open_to_all, scoped, scoped_indirectly, caller_first])
def test_a_declared_route_is_fine(endpoint: Any) -> None:
    assert refusal_of(endpoint) == ""


@pytest.mark.parametrize("endpoint", [undeclared, identified])
def test_a_route_without_a_scope_is_refused_even_if_it_asks_who_calls(endpoint: Any) -> None:
    assert refusal_of(endpoint) == UNDECLARED


def test_a_scope_may_stand_on_the_router() -> None:
    assert refusal_of(undeclared, dependencies=[requires("things:read")]) == ""


def test_a_scope_may_stand_where_the_router_is_included() -> None:
    router, app = APIRouter(), FastAPI(openapi_url=None)
    router.add_api_route("/v1/things", undeclared)
    app.include_router(router, dependencies=[requires("things:read")])

    assert said_about(app) == ""
    assert known_scopes(app) == ["things:read"]


UNCOUNTED = (
    "GET /v1/things declares a limit that nobody counts: name a caller, or add "
    "`dependencies=[LimitedByAddress]` to its decorator."
)


@limiter.limit("1/minute")
@public
async def limited() -> None:
    pass


@limiter.limit("1/minute")
async def limited_caller(caller: Reader) -> None:
    pass


def test_a_limit_that_nobody_would_count_is_refused() -> None:
    assert refusal_of(limited) == UNCOUNTED


@pytest.mark.parametrize(
    ("endpoint", "options"), [(limited, {"dependencies": [LimitedByAddress]}), (limited_caller, {})]
)
def test_a_limit_of_a_caller_or_of_an_address_is_fine(endpoint: Any, options: dict[str, Any]) -> None:
    assert refusal_of(endpoint, **options) == ""


def test_public_and_a_scope_contradict_each_other() -> None:
    said = "GET /v1/things is marked `@public` and needs things:read: remove one of the two."

    assert refusal_of(contradictory) == said


def test_a_session_must_not_be_open_while_the_key_is_looked_up() -> None:
    said = "GET /v1/things opens its session before it knows its caller: put the caller first in its parameters."

    assert refusal_of(session_first) == said


async def repeatable(caller: Reader, _key: IdempotencyKey) -> None:
    pass


async def key_first(_key: IdempotencyKey, caller: Reader) -> None:
    pass


@public
async def anybodys(_key: IdempotencyKey) -> None:
    pass


def test_a_route_that_takes_a_key_must_be_able_to_store_its_answer() -> None:
    said = (
        "GET /v1/things takes an Idempotency-Key, and its router cannot store answers: "
        "make it with `APIRouter(…, route_class=IdempotentRoute)`."
    )
    router, app = APIRouter(route_class=IdempotentRoute), FastAPI(openapi_url=None)
    router.add_api_route("/v1/things", repeatable)
    app.include_router(router)

    assert refusal_of(repeatable) == said
    assert said_about(app) == ""


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (anybodys, "takes an Idempotency-Key, and has no caller whose key it is: give it a caller first."),
        (key_first, "opens its session before it knows its caller: put the caller first in its parameters."),
    ],
)
def test_a_key_belongs_to_a_caller_who_is_known(endpoint: Any, said: str) -> None:
    router, app = APIRouter(route_class=IdempotentRoute), FastAPI(openapi_url=None)
    router.add_api_route("/v1/things", endpoint)
    app.include_router(router)

    assert said_about(app) == f"GET /v1/things {said}"


async def shares_too_early(_shared: AmongCallers, caller: Reader) -> None:
    pass


@public
async def shares_among_nobody(_shared: AmongCallers) -> None:
    pass


@public
async def shares_with_all(_shared: AmongAll) -> None:
    pass


async def shares_rightly(caller: Reader, _shared: AmongCallers) -> None:
    pass


@pytest.mark.parametrize("endpoint", [shares_too_early, shares_among_nobody])
def test_an_answer_is_not_shared_before_its_caller_is_known(endpoint: Any) -> None:
    app = app_that_shares(endpoint)

    assert said_about(app) == (
        "GET /v1/things shares its answers before it knows its caller: put the caller first in its parameters, "
        "or say `among=Audience.EVERYBODY` if the route is public."
    )


@pytest.mark.parametrize("endpoint", [shares_with_all, shares_rightly])
def test_an_answer_that_its_caller_may_have_is_shared(endpoint: Any) -> None:
    app = app_that_shares(endpoint)

    assert said_about(app) == ""


@pytest.mark.parametrize(("route_class", "method"), [(APIRoute, "GET"), (SharingRoute, "POST")])
def test_a_route_that_shares_its_answers_must_be_able_to(route_class: type[APIRoute], method: str) -> None:
    app = app_that_shares(shares_rightly, route_class=route_class, method=method)

    assert said_about(app) == (
        f"{method} /v1/things shares its answers, and cannot: it has to be a GET of a router that is made with "
        "`APIRouter(…, route_class=SharingRoute)`."
    )


def shares_among(among: Audience, *tags: str) -> Any:
    """A route with these tags."""
    shared = Annotated[None, shared_answer(among=among, tags=tags)]

    async def read(caller: Reader, _shared: shared) -> None:
        pass

    return read


@pytest.mark.parametrize("among", [Audience.EVERYBODY, Audience.TENANT])
def test_a_tag_names_what_is_known_of_a_request(among: Audience) -> None:
    app = app_that_shares(shares_among(among, "thing:{number}", "{colour}", "{tenant}"), path="/v1/things/{number:int}")

    unknown = "colour, tenant" if among is Audience.EVERYBODY else "colour"
    assert said_about(app) == (
        f"GET /v1/things/{{number:int}} tags its answers with `{unknown}`, and nobody knows what that is: name "
        "what the path names, or `tenant` if the answers are not shared among everybody."
    )


def test_tags_that_can_be_filled_in_are_accepted() -> None:
    app = app_that_shares(shares_among(Audience.CALLER, "all", "{tenant}:{number}"), path="/v1/things/{number}")

    assert said_about(app) == ""


def app_that_shares(
    endpoint: Any, *, route_class: type[APIRoute] = SharingRoute, method: str = "GET", path: str = "/v1/things"
) -> FastAPI:
    router, app = APIRouter(route_class=route_class), FastAPI(openapi_url=None)
    router.add_api_route(path, endpoint, methods=[method])
    app.include_router(router)
    return app


async def plain(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("")


@pytest.mark.parametrize(
    "route",
    [
        Route("/plain", plain),
        Mount("/mounted", FastAPI(openapi_url=None)),
        Host("example.com", FastAPI(openapi_url=None)),
    ],
    ids=["route", "mount", "host"],
)
def test_what_is_no_route_of_fastapi_has_to_be_marked_as_well(route: Any) -> None:
    app = FastAPI(openapi_url=None)
    app.router.routes.append(route)

    before = said_about(app)
    public(getattr(route, "endpoint", route.app))

    assert "does not say who may call it" in before
    assert said_about(app) == ""


@pytest.mark.parametrize("is_included", [False, True])
def test_a_folder_that_the_route_table_does_not_show_is_refused(tmp_path: Path, *, is_included: bool) -> None:
    router, app = APIRouter(), FastAPI(openapi_url=None)
    (router if is_included else app).frontend("/pages", directory=tmp_path)
    app.include_router(router)

    assert said_about(app).startswith("What `frontend()` serves cannot say who may read it: mount")


def test_the_frameworks_own_pages_are_found() -> None:
    said = said_about(FastAPI())

    assert [line.partition(" does")[0] for line in said.splitlines()] == [
        "GET HEAD /openapi.json",
        "GET HEAD /docs",
        "GET HEAD /docs/oauth2-redirect",
        "GET HEAD /redoc",
    ]


def test_the_known_scopes_are_those_that_routes_need() -> None:
    app = FastAPI()
    app.include_router(doors)

    assert known_scopes(app) == ["doors:build", "doors:pass"]


@pytest.mark.parametrize(
    "scope", ["", "things", "Things:read", "things:read write", 'things:"', "a:" + "b" * 63, "é:e"]
)
def test_a_scope_that_would_not_fit_into_a_header_is_refused_where_it_is_written(scope: str) -> None:
    with pytest.raises(ValueError, match="A scope looks like `things:read`"):
        requires(scope)


def test_a_mark_changes_nothing_else() -> None:
    async def endpoint() -> None:
        pass

    assert public(endpoint) is endpoint
