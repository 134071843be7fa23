"""What goes to a partner and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from app.clients.errors import PartnerAnswerUnreadable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. What is the same for all requests to a partner, its secret above all, is not in it."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def host(self) -> str | None:
        """For the log."""
        return urlsplit(self.url).hostname

    @property
    def path(self) -> str:
        """For the log: without the query, which may hold anything."""
        return urlsplit(self.url).path


@dataclass(frozen=True, slots=True)
class Received:
    """An answer, whatever it says."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer below 500: "no such thing" is one, too. Several callers may share it; nobody changes it.

    Headers may be looked up in any case.
    """

    partner: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    on_unreadable: Callable[[PartnerAnswerUnreadable], None] = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the partner did what it was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what 2xx means

    def read(self, kind: type[T]) -> T:
        """The JSON of a success as what was agreed upon. Raises `PartnerAnswerUnreadable`."""
        try:
            adapter = adapter_for(kind)  # type: ignore[arg-type] # every class can be hashed
            found: T = adapter.validate_json(self.body if self.is_success else b"")
        except ValidationError:
            failure = PartnerAnswerUnreadable(self.partner, status=self.status)
            self.on_unreadable(failure)
            raise failure from None
        return found


@lru_cache(256)
def adapter_for(kind: Any) -> TypeAdapter[Any]:  # Any: one for each kind
    """It costs more to make than to use."""
    return TypeAdapter(kind)
