"""What to do about a server that cannot be reached."""

from app.core.errors import Unavailable
from app.persistence.errors import DatabaseUnavailable, in_words
from app.persistence.refusals import is_lasting


def in_a_sentence(error: Unavailable) -> str:
    """For the operator, who is told more than callers are."""
    cause = error.__cause__
    words = in_words(cause) if cause else type(error).__name__
    if not isinstance(error, DatabaseUnavailable):
        return f"{error} ({words})"
    if cause and is_lasting(cause):
        return f"The database cannot be reached with this DATABASE_URL: {words}. Correct it, or the server."
    return f"The database cannot be reached at DATABASE_URL ({words}). Try again shortly."
