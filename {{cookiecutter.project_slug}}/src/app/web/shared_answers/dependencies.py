"""What a route declares whose answers are shared. It stands behind the caller, and before whatever costs something."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from uuid import UUID

from fastapi import Depends, Request
from pydantic_core import to_json

from app.cache.kinds import Kind, Lifetime
from app.cache.wanted import Found
from app.security.principal import Principal
from app.web.dependencies import CurrentResources
from app.web.idempotency.claims import AlreadyAnswered
from app.web.shared_answers.answers import NotShareable, SharedAnswer, response_of
from app.web.shared_answers.turn import Turn, TurnGivenUp

# In the request's scope: where the route finds its turn, and what its answers depend on.
TURN = "app.shared_answers.turn"
VARIES = "app.shared_answers.varies"


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
        tags = [tag.format(tenant=tenant, **request.path_params) for tag in self.tags]
        while True:
            turn = Turn(
                lambda load: resources.cache.get(self.kind, key, load, tenant=tenant, tags=tags), varies=self.varies
            )
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

    def tenant_of(self, request: Request) -> UUID | None:
        return None if self.among is Audience.EVERYBODY else caller_of(request).tenant

    def key_of(self, request: Request) -> str:
        """Of requests that are answered the same."""
        whose = caller_of(request).subject if self.among is Audience.CALLER else ""
        scope = request.scope
        said = [request.headers.getlist(name) for name in sorted(self.varies)]
        return to_json([scope["path"], scope["query_string"].decode("latin-1"), whose, said]).decode()


def shared_answer(
    *,
    fresh: float = 0,
    if_failing: float = 0,
    among: Audience = Audience.CALLER,
    tags: Sequence[str] = (),
    vary: Sequence[str] = (),
) -> Any:  # Any: what stands in an `Annotated`
    """`Shared = Annotated[None, shared_answer()]`: requests for the same that come at the same time are answered once.

    The same is the same path and query, the same values of the headers in `vary`, and the same caller unless `among`
    says otherwise. The answer is kept for `fresh` seconds; for `if_failing` more it is better than an error of
    something that we need. `tags` are those under which it is taken back (`Cache.invalidate`), with names of the path
    and `tenant` in braces: `room:{number}`.

    Only 200s whose body is there at once are shared. Whatever stands behind this in the route's signature is not done
    for a request that gets another's answer.
    """
    kind: Kind[SharedAnswer] = Kind("answers", SharedAnswer, Lifetime(fresh, if_failing=if_failing))
    return Depends(Sharing(kind, among, tuple(tags), frozenset(name.lower() for name in vary)))


def caller_of(request: Request) -> Principal:
    caller: Principal = request.state.caller
    return caller


def already(found: Found[SharedAnswer]) -> AlreadyAnswered:
    return AlreadyAnswered(response_of(found.value, is_stale=found.is_stale))
