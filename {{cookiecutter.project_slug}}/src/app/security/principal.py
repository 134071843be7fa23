"""Whoever calls: the same facts, whatever proved them."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    `subject` names the caller in rows and logs, such as `key:k3Jw9Zq7Lx2b`; `tenant` is the
    customer whose rows the caller sees; `scopes` are what the caller may do, such as `things:read`.
    """

    subject: str
    tenant: UUID
    scopes: frozenset[str]
