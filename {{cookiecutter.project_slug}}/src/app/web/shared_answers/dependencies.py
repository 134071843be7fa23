"""What a route declares whose answers are shared. It stands behind the caller, and before whatever costs something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from string import Formatter
from typing import Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from pydantic_core import to_json
from starlette.routing import compile_path

from app.cache.found import Found
from app.cache.kinds import Kind, Lifetime
from app.core.identity import service_identity
from app.web.authentication import caller_of
from app.web.dependencies import CurrentResources
from app.web.kept_answers import AlreadyAnswered
from app.web.middleware import deadline
from app.web.shared_answers.answers import CALLERS_OWN, NOBODYS, NotShareable, SharedAnswer, response_of, to_share
from app.web.shared_answers.turn import Turn, TurnGivenUp

# In the request's scope: where the route finds its turn, and what its answers depend on.
TURN = "app.shared_answers.turn"
VARIES = "app.shared_answers.varies"

# What answers depend on whatever their route says.
ALWAYS_VARIES = ("host", deadline.HEADER.decode())

# What a tag may name beside what its path names: the caller's.
TENANT = "tenant"


class Audience(Enum):
    """Among whom an answer is shared."""

    CALLER = auto()
    TENANT = auto()
    EVERYBODY = auto()


@dataclass(frozen=True)
class Sharing:
    """The dependency behind `shared_answer`. Raises `AlreadyAnswered` with the answer that somebody else was given."""

    kind: Kind[SharedAnswer]
    among: Audience
    tags: Sequence[str]
    varies: frozenset[str] = field(default_factory=frozenset)

    async def __call__(self, request: Request, resources: CurrentResources) -> None:
        request.scope[VARIES] = ", ".join(sorted(self.varies))
        tenant, key = self.tenant_of(request), self.key_of(request)
        if found := resources.cache.recall(self.kind, key, tenant=tenant):
            raise already(found)
        tags = self.tags_of(request, tenant)
        if tags is None:
            return
        share = partial(to_share, varies=self.varies, refusals=self.refusals)
        while True:
            turn = Turn(lambda load: resources.cache.get(self.kind, key, load, tenant=tenant, tags=tags), share=share)
            try:
                found = await turn.come()
            except TurnGivenUp:
                continue
            except NotShareable:
                return
            if found:
                raise already(found)
            request.scope[TURN] = turn
            return

    @property
    def refusals(self) -> frozenset[str]:
        return frozenset({NOBODYS} if self.among is Audience.CALLER else {NOBODYS, CALLERS_OWN})

    def tenant_of(self, request: Request) -> UUID | None:
        return None if self.among is Audience.EVERYBODY else caller_of(request).tenant

    def tags_of(self, request: Request, tenant: UUID | None) -> list[str] | None:
        """Nothing for a path that is not valid: whoever asks for it is refused."""
        names = values_in_path(request) if self.tags else {}
        if names is None:
            return None
        if tenant:
            names[TENANT] = tenant
        return [tag.format_map(names) for tag in self.tags]

    def unknown_names(self, path: str) -> set[str]:
        """Those in braces that no request for this path could fill in."""
        _, _, in_path = compile_path(path)
        in_tags = {name for tag in self.tags for _, name, _, _ in Formatter().parse(tag) if name is not None}
        return in_tags - in_path.keys() - (set() if self.among is Audience.EVERYBODY else {TENANT})

    def key_of(self, request: Request) -> str:
        """Of requests that are answered the same.

        Another release may answer otherwise, an answer may hold links, and what was made with less time may be worse,
        or an error: it is for those who have brought no more.
        """
        whose = caller_of(request).subject if self.among is Audience.CALLER else ""
        scope = request.scope
        asked = [service_identity().release, scope["scheme"], scope["path"], scope["query_string"].decode("latin-1")]
        said = [request.headers.getlist(name) for name in (*ALWAYS_VARIES, *sorted(self.varies))]
        return to_json([*asked, whose, said]).decode()


def shared_answer(
    *,
    fresh: float = 0,
    if_failing: float = 0,
    among: Audience = Audience.CALLER,
    tags: Sequence[str] = (),
    vary: Sequence[str] = (),
) -> Any:  # Any: what stands in an `Annotated`
    """`Shared = Annotated[None, shared_answer()]`: requests for the same that come at the same time are answered once.

    The same is the same address, the same values of the headers in `vary`, as much time (`X-Request-Timeout`), and the
    same caller unless `among` says otherwise. The answer is kept for `fresh` seconds; for `if_failing` more it is
    better than an error of something that we need. `tags` are those under which it is taken back (`Cache.invalidate`),
    with names of the path and `tenant`, the caller's, in braces: `room:{number}`, as it would be written with the
    value that the route gets.

    Only 200s whose body is there at once are shared. Whatever stands behind this in the route's signature is not done
    for a request that gets another's answer.
    """
    kind: Kind[SharedAnswer] = Kind("answers", SharedAnswer, Lifetime(fresh, if_failing=if_failing))
    return Depends(Sharing(kind, among, tuple(tags), frozenset(name.lower() for name in vary)))


def already(found: Found[SharedAnswer]) -> AlreadyAnswered:
    return AlreadyAnswered(response_of(found.value, is_stale=found.is_stale))


def values_in_path(request: Request) -> dict[str, Any] | None:  # Any: of whatever types the route declares
    """As the route gets them: 7 is also written 07, and is one thing. Nothing if they are not valid."""
    values = dict(request.path_params)
    for declared in fields_in_path(request.scope["route"].dependant):
        if declared.alias in values:
            values[declared.alias], errors = declared.validate(request.path_params[declared.alias], loc=("path",))
            if errors:
                return None
    return values


def fields_in_path(dependant: Dependant) -> Iterator[Any]:  # Any: FastAPI keeps the class to itself
    """The route's own last: they count if a dependency of it declares the same name."""
    for inner in dependant.dependencies:
        yield from fields_in_path(inner)
    yield from dependant.path_params
