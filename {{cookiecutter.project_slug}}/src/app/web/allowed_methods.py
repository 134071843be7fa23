"""Which methods a path takes; Starlette names only those of the first of its routes."""

from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.routing import Match


def allowed_methods(request: Request) -> list[str]:
    """Those of all routes that have this path; what is mounted names none."""
    of_this_path = (
        context
        for context in iter_route_contexts(request.app.routes)
        if context.original_route.matches(request.scope)[0] is not Match.NONE
    )
    return sorted({method for context in of_this_path for method in context.methods or ()})
