"""Finds variables that look like ours but are not: `DATABASE_POOLSIZE` silently changes nothing."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from app.settings.sources import is_service_link

# From 0.85 on, one wrong or missing letter in a name of eight is found and REDIS_PORT is not taken for REDIS_URL.
SIMILARITY = 0.85

# What Kubernetes and Docker tell each container about the services beside it.
LINK_NAME = re.compile(r".*_SERVICE_(HOST|PORT)(_|$)|.*_PORT_\d+_(TCP|UDP|SCTP)(_|$)")

# First words of our names that other programs use as well; Sentry's library reads many more than we do.
NOT_OURS_ALONE = frozenset({"SENTRY", "SECRET", "ALLOWED", "TRUSTED"})


def near_misses(variables: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Each variable that is almost one of ours, with the name that was probably meant."""
    known = set(names)
    readable = known | {f"{name}_FILE" for name in known}
    suspects = [name for name, value in variables.items() if name not in readable and not is_link(name, value)]
    guesses = {name: get_close_matches(name.upper(), readable, n=1, cutoff=SIMILARITY) for name in suspects}
    return {name: guess[0] for name, guess in guesses.items() if guess}


def unknown_variables(variables: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Variables that begin like one of our sections and mean nothing to us."""
    known = set(names)
    sections = {name.partition("_")[0] for name in known if "_" in name} - NOT_OURS_ALONE
    readable = known | {f"{name}_FILE" for name in known}
    return sorted(
        name
        for name, value in variables.items()
        if name.partition("_")[0] in sections and name not in readable and not is_link(name, value)
    )


def is_link(name: str, value: str) -> bool:
    """Whether the platform set it: `REDIS_SERVICE_HOST`, or `REDIS_PORT` when that is an address."""
    return LINK_NAME.match(name) is not None or is_service_link(name, value)
