"""The shape of an API key, `apikey_<prefix>_<secret>`, and its limits."""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field

# Fixed, so that secret scanners and the redaction of our own logs find a key anywhere.
MARKER = "apikey"

# Letters and digits only: a double click selects the whole key, and nothing has to be escaped anywhere.
ALPHABET = string.ascii_letters + string.digits
PREFIX_LENGTH = 12
SECRET_LENGTH = 43  # 62 ** 43 is a little more than 2 ** 256
KEY_LENGTH = len(MARKER) + PREFIX_LENGTH + SECRET_LENGTH + 2
SHAPE = re.compile(MARKER + r"_([A-Za-z0-9]{12})_([A-Za-z0-9]{43})")

# Long enough for a quarter's release, short enough that a forgotten key dies by itself.
DEFAULT_DAYS = 90
MOST_DAYS = 3 * 365
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its owner holds it. The prefix may be shown; the secret never is, not even in a traceback."""

    prefix: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What the owner is given, once, and sends."""
        return f"{MARKER}_{self.prefix}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What we keep of the secret: its SHA-256.

        Slow hashes make guessing human passwords expensive. Nobody guesses 256 random bits, so a fast
        one protects a stolen table as well, and does not let callers keep our processor busy. NIST
        SP 800-63B, section 5.1.2.2, asks for no more than an approved hash from 112 random bits on.
        """
        return hashlib.sha256(self.secret.encode()).digest()


def new_key() -> Key:
    """A key that nobody has had before."""
    return Key(prefix=random_text(PREFIX_LENGTH), secret=random_text(SECRET_LENGTH))


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def parse_key(text: str) -> Key | None:
    """The key that a caller sent, or None if it does not even look like one of ours."""
    # The length first: what is refused must not cost more the longer it is.
    found = SHAPE.fullmatch(text) if len(text) == KEY_LENGTH else None
    return Key(prefix=found[1], secret=found[2]) if found else None
