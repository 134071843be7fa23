"""Deny by default: every route says who may call it, and gets what it asks for, or the service does not start."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from app.core.checks import CheckFailed
from app.security.public import is_public
from app.web.authentication import API_KEY
from app.web.dependencies import open_session
from app.web.idempotency.dependencies import accept_key
from app.web.idempotency.route import IdempotentRoute
from app.web.rate_limits import limit_address, rates_on
from app.web.shared_answers.dependencies import Audience, Sharing
from app.web.shared_answers.route import SharingRoute


@dataclass(frozen=True)
class RoutePolicy:
    """What one route says about its callers."""

    route: RouteContext
    is_public: bool
    scopes: tuple[str, ...]

    def __str__(self) -> str:
        return "public" if self.is_public else " ".join(self.scopes)

    @property
    def name(self) -> str:
        """`GET /v1/things`; what is mounted has no methods."""
        return " ".join([*sorted(self.route.methods or ()), self.route.path or "/"])


class RoutesRefused(CheckFailed):
    """The application must not be served like this. Its message has a sentence for each mistake: what to write."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


def check_policies(app: FastAPI) -> None:
    """Raises `RoutesRefused` unless each route of the application is public or needs a scope.

    It must also count the limits that it declares, store answers if it takes keys, and know its caller before it
    opens a session.
    """
    problems = [problem for policy in policies_of(app) for problem in problems_of(policy)]
    # FastAPI keeps these apart and lists them nowhere in public.
    if any(app.router._iter_low_priority_routes()):  # noqa: SLF001 - see above
        problems.append("What `frontend()` serves cannot say who may read it: mount `public(StaticFiles(…))` instead.")
    if problems:
        raise RoutesRefused(problems)


def known_scopes(app: FastAPI) -> list[str]:
    """Every scope that some route needs."""
    return sorted({scope for policy in policies_of(app) for scope in policy.scopes})


def policies_of(app: FastAPI) -> list[RoutePolicy]:
    """One for each route, in the order in which they are matched."""
    return [policy_of(route) for route in iter_route_contexts(app.routes)]


def policy_of(route: RouteContext) -> RoutePolicy:
    # What is mounted has no endpoint: the mounted application itself is marked.
    endpoint = route.endpoint or getattr(route.original_route, "app", None)
    scopes = [scope for step in steps_of(route) if step.call is API_KEY for scope in scopes_of(step)]
    return RoutePolicy(route, is_public=is_public(endpoint), scopes=tuple(dict.fromkeys(scopes)))


def scopes_of(step: Dependant) -> list[str]:
    """Those named right here, and those that whoever asks for it has named."""
    return [*(step.parent_oauth_scopes or ()), *(step.own_oauth_scopes or ())]


def steps_of(route: RouteContext) -> list[Dependant]:
    """The dependencies of a route in the order in which they are called; Starlette's own routes have none."""
    root: Dependant | None = getattr(route, "dependant", None)
    return list(depth_first(root)) if root else []


def depth_first(dependant: Dependant) -> Iterator[Dependant]:
    for inner in dependant.dependencies:
        yield from depth_first(inner)
        yield inner


def problems_of(policy: RoutePolicy) -> list[str]:
    """A sentence for each mistake."""
    rules = (caller_problems, key_problems, sharing_problems, limit_problems, session_problems)
    return [problem for rule in rules for problem in rule(policy)]


def caller_problems(policy: RoutePolicy) -> Iterator[str]:
    if not policy.is_public and not policy.scopes:
        yield (
            f"{policy.name} does not say who may call it: give it a caller, such as "
            '`caller: Annotated[Principal, requires("things:read")]`, or mark it with `@public`.'
        )
    if policy.is_public and policy.scopes:
        yield f"{policy.name} is marked `@public` and needs {' '.join(policy.scopes)}: remove one of the two."


def key_problems(policy: RoutePolicy) -> Iterator[str]:
    if not takes_key(policy.route):
        return
    if not policy.scopes:
        yield f"{policy.name} takes an Idempotency-Key, and has no caller whose key it is: give it a caller first."
    if not isinstance(policy.route.original_route, IdempotentRoute):
        yield (
            f"{policy.name} takes an Idempotency-Key, and its router cannot store answers: "
            "make it with `APIRouter(…, route_class=IdempotentRoute)`."
        )


def takes_key(route: RouteContext) -> bool:
    return any(step.call is accept_key for step in steps_of(route))


def sharing_problems(policy: RoutePolicy) -> Iterator[str]:
    steps = [step.call for step in steps_of(policy.route)]
    for place, sharing in enumerate(steps):
        if not isinstance(sharing, Sharing):
            continue
        if not isinstance(policy.route.original_route, SharingRoute) or policy.route.methods != {"GET"}:
            yield (
                f"{policy.name} shares its answers, and cannot: it has to be a GET of a router that is made with "
                "`APIRouter(…, route_class=SharingRoute)`."
            )
        if unknown := sharing.unknown_names(policy.route.path or "/"):
            yield (
                f"{policy.name} tags its answers with `{', '.join(sorted(unknown))}`, and nobody knows what that is: "
                "name what the path names, or `tenant` if the answers are not shared among everybody."
            )
        if API_KEY in steps[place:] or (sharing.among is not Audience.EVERYBODY and API_KEY not in steps):
            yield (
                f"{policy.name} shares its answers before it knows its caller: put the caller first in its parameters, "
                "or say `among=Audience.EVERYBODY` if the route is public."
            )


def limit_problems(policy: RoutePolicy) -> Iterator[str]:
    if rates_on(policy.route.endpoint) and not counts_requests(policy.route):
        yield (
            f"{policy.name} declares a limit that nobody counts: name a caller, or add "
            "`dependencies=[LimitedByAddress]` to its decorator."
        )


def counts_requests(route: RouteContext) -> bool:
    """Whether it knows a caller, or counts by address."""
    return any(step.call in {API_KEY, limit_address} for step in steps_of(route))


def session_problems(policy: RoutePolicy) -> Iterator[str]:
    if policy.scopes and opens_session_too_early(policy.route):
        yield f"{policy.name} opens its session before it knows its caller: put the caller first in its parameters."


def opens_session_too_early(route: RouteContext) -> bool:
    """Whether looking up the key would take a second connection. With all in use, each would wait for another's."""
    calls = [step.call for step in steps_of(route)]
    return open_session in calls[: calls.index(API_KEY)]
