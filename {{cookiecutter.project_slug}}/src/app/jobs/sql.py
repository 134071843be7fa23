"""Statements about the queue."""

from sqlalchemy import BigInteger, TextClause, bindparam, text

# What the queue counts in 64 bits; for a bare number SQLAlchemy would declare 32.
LARGE = ("worker", "job", "due")


def sql(statement: str) -> TextClause:
    """The statement, with its parameters' types declared where they matter."""
    used = [name for name in LARGE if f":{name}" in statement]
    return text(statement).bindparams(*(bindparam(name, type_=BigInteger) for name in used))
