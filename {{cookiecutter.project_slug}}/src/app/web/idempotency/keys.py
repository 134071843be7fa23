"""Keys as callers send them, and what they stand for."""

import re
from dataclasses import dataclass
from hashlib import blake2b, sha256
from uuid import UUID

from app.web.idempotency.errors import IdempotencyKeyMalformed

HEADER = "Idempotency-Key"
LONGEST_KEY = 255

# The draft wants a string of RFC 9651, in quotes; most clients send it bare. A comma in a bare one is two keys that a
# proxy has joined.
QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')
BARE = re.compile(r"[!#-+\--\[\]-~]+")
ESCAPED = re.compile(r'\\(["\\])')

LOCK_BYTES = 8


@dataclass(frozen=True, slots=True)
class CallersKey:
    """A key and whose it is: two callers who choose the same one do not meet."""

    tenant: UUID
    subject: str
    text: str

    @property
    def lock(self) -> int:
        """The number of its advisory lock. Two keys with the same number would only wait for each other."""
        words = f"{self.tenant} {self.subject} {self.text}"
        return int.from_bytes(blake2b(words.encode(), digest_size=LOCK_BYTES).digest(), signed=True)


def parse_key(field: str) -> str:
    """The key in a header. Raises `IdempotencyKeyMalformed`."""
    quoted = QUOTED.fullmatch(field)
    text = ESCAPED.sub(r"\1", quoted[1]) if quoted else field
    if len(text) > LONGEST_KEY or not (quoted or BARE.fullmatch(field)):
        raise IdempotencyKeyMalformed
    return text


def fingerprint_of(*, method: str, path: str, query: bytes, body: bytes) -> bytes:
    """The same for the same request, byte for byte; each part with its length, so that none can pass for another."""
    digest = sha256()
    for part in (method.encode(), path.encode(), query, body):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()
