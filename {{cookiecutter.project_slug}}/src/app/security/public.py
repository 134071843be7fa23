"""The mark of what anybody may call."""

from collections.abc import Callable
from typing import Any, TypeVar

MARK = "is_public_endpoint"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def public(endpoint: Endpoint) -> Endpoint:
    """Marks what anybody may call. Stands below the router's decorator, and changes nothing else."""
    setattr(endpoint, MARK, endpoint)  # itself: what wraps it copies its attributes, and is not marked by that
    return endpoint


def is_public(endpoint: object) -> bool:
    """Whether it was marked."""
    function = getattr(endpoint, "__func__", endpoint)  # of a method
    return function is not None and getattr(function, MARK, None) is function
