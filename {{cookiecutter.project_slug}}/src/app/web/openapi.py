"""What the OpenAPI document says about problems, the same for every route."""

from itertools import chain
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from app.core.errors import ServiceError
from app.security.public import public
from app.web.idempotency.errors import IdempotencyKeyReused, RequestInProgress
from app.web.idempotency.keys import HEADER as IDEMPOTENCY_KEY
from app.web.problems import MEDIA_TYPE, Problem, status_of

CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
HTTP_METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}

Document = dict[str, Any]  # Any: JSON


def problems(*errors: type[ServiceError]) -> dict[int | str, Document]:
    """For a route's `responses`: the errors that it may answer with."""
    return {str(status_of(error).value): {"description": error.__doc__, "content": CONTENT} for error in errors}


def operation_id(route: APIRoute) -> str:
    """The function's name: client generators make a method of it."""
    return route.name


class DocumentedFastAPI(FastAPI):
    """FastAPI whose OpenAPI document describes the problems that we really answer with."""

    def setup(self) -> None:
        """Adds the route of the document, which is for everybody."""
        super().setup()
        for route in self.routes:
            if isinstance(route, Route) and route.path == self.openapi_url:
                public(route.endpoint)

    def openapi(self) -> Document:
        """The document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            describe_problems(document)
            describe_scopes(document)
            describe_keys(document)
            self.openapi_schema = document
        return self.openapi_schema


def describe_problems(document: Document) -> None:
    """Replace FastAPI's own shape of a validation error, and name the shape of every other failure."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs"), Problem=schema)
    for operation in operations(document):
        responses = operation["responses"]
        if "422" in responses:
            responses["422"] = {"description": "The request is not valid.", "content": CONTENT}
        responses["default"] = {"description": "Any other failure.", "content": CONTENT}


def describe_scopes(document: Document) -> None:
    """Say in words what each secured operation needs, and how it refuses."""
    for operation in operations(document):
        scopes = [scope for scheme in operation.get("security", ()) for scope in chain(*scheme.values())]
        if scopes:
            needs = "Needs the scope " + " and ".join(f"`{scope}`" for scope in scopes) + "."
            operation["description"] = f"{operation.get('description', '')}\n\n{needs}".strip()
            operation["responses"] |= {
                "401": {"description": "There is no API key, or not a valid one.", "content": CONTENT},
                "403": {"description": "The API key lacks the scope.", "content": CONTENT},
                "429": {"description": "A limit of the caller is used up; see `Retry-After`.", "content": CONTENT},
            }


def describe_keys(document: Document) -> None:
    """Say how an operation refuses that takes an `Idempotency-Key`, beside what it refuses anyway."""
    for operation in operations(document):
        if any(parameter.get("name") == IDEMPOTENCY_KEY for parameter in operation.get("parameters", ())):
            for error in (RequestInProgress, IdempotencyKeyReused):
                refusals = operation["responses"].setdefault(str(status_of(error).value), {"description": ""})
                description = f"{refusals['description']} {error.__doc__}".strip()
                refusals.update(description=description, content=CONTENT)


def operations(document: Document) -> list[Document]:
    """Every operation of every path."""
    paths = document.get("paths", {}).values()
    return [operation for path in paths for method, operation in path.items() if method in HTTP_METHODS]
