"""Finds variables that look like ours but are not: `DATABASE_POOLSIZE` silently changes nothing."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

# From 0.85 on, one wrong or missing letter in a name of eight is found and REDIS_PORT is not taken for REDIS_URL.
SIMILARITY = 0.85

# Names that other libraries and platforms own.
FOREIGN = re.compile(r"(OTEL|SENTRY)_|.*_SERVICE_(HOST|PORT)(_|$)|.*_PORT_\d+_(TCP|UDP|SCTP)(_|$)|.*_PORT$")


def near_misses(variables: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Each variable that is almost one of ours, with the name that was probably meant."""
    known = set(names)
    readable = known | {f"{name}_FILE" for name in known}
    suspects = [name for name in variables if name not in readable and not FOREIGN.match(name)]
    guesses = {name: get_close_matches(name.upper(), readable, n=1, cutoff=SIMILARITY) for name in suspects}
    return {name: guess[0] for name, guess in guesses.items() if guess}


def unknown_variables(variables: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Variables that begin like one of our sections and mean nothing to us."""
    known = set(names)
    sections = {name.partition("_")[0] for name in known if "_" in name} - {"SENTRY", "SECRET", "ALLOWED", "TRUSTED"}
    readable = known | {f"{name}_FILE" for name in known}
    return sorted(
        name
        for name in variables
        if name.partition("_")[0] in sections and name not in readable and not FOREIGN.match(name)
    )
