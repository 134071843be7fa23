"""The document tells the truth about failures, and client generators what they need."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from app.assembly.routes import add_routes
from app.web.authentication import requires
from app.web.openapi import operation_id, operations
from tests.support.app import unopened_app
from tests.support.doors import router as doors
from tests.support.openapi_faults import faults_of

Json = dict[str, Any]
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@pytest.fixture(scope="module")
def secured() -> Json:
    """With routes that need scopes, whatever features there are."""
    app = unopened_app()
    add_routes(app, doors)
    return app.openapi()


@pytest.fixture(scope="module")
def document() -> Json:
    return unopened_app().openapi()


def test_every_operation_documents_its_problems(document: Json) -> None:
    undocumented = [
        operation["operationId"]
        for operation in operations(document)
        if operation["responses"].get("default", {}).get("content") != PROBLEM
    ]

    assert operations(document)
    assert undocumented == []


def test_every_error_status_but_those_of_health_is_a_problem(document: Json) -> None:
    others = {
        (operation["operationId"], status)
        for path, methods in document["paths"].items()
        if not path.startswith("/health/")
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status >= "4" and response["content"] != PROBLEM
    }

    assert others == set()


def test_every_operation_tells_client_generators_what_they_need(document: Json) -> None:
    assert operations(document)
    assert faults_of(document) == []


def test_an_operation_is_named_after_its_function() -> None:
    app = unopened_app()
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    names = [route.endpoint.__name__ for route in routes if isinstance(route, APIRoute) and route.include_in_schema]

    assert sorted(operation["operationId"] for operation in operations(app.openapi())) == sorted(names) != []


def test_a_secured_operation_says_what_it_needs_and_how_it_refuses(secured: Json) -> None:
    built, rung = secured["paths"]["/v1/doors"]["post"], secured["paths"]["/v1/doors/bell"]["get"]

    assert built["security"] == [{"ApiKey": ["doors:build"]}]
    assert built["description"] == "Says which.\n\nNeeds the scope `doors:build`."
    assert [built["responses"][status]["content"] for status in ("401", "403")] == [PROBLEM, PROBLEM]
    assert "security" not in rung
    assert {"401", "403"}.isdisjoint(rung["responses"])


def test_two_scopes_are_both_named(secured: Json) -> None:
    operation = secured["paths"]["/v1/doors/locks"]["get"]

    assert operation["security"] == [{"ApiKey": ["doors:pass", "doors:build"]}]
    assert "Needs the scope `doors:pass` and `doors:build`." in operation["description"]


def test_the_scheme_lets_people_paste_a_key_into_the_api_reference(secured: Json) -> None:
    scheme = secured["components"]["securitySchemes"]["ApiKey"]

    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_the_tests_own_secured_routes_have_no_fault(secured: Json) -> None:
    assert faults_of(secured) == []


def test_a_poor_operation_is_named_with_each_of_its_faults() -> None:
    class Poor(BaseModel):
        size: int

    async def makeThing(thing: Poor) -> None:  # noqa: N802 - that is its fault
        pass

    app = FastAPI(generate_unique_id_function=operation_id)
    app.add_api_route("/poor", makeThing, methods=["POST"])
    app.add_api_route("/secured", secured_poorly, dependencies=[requires("things:read")], tags=["things"])

    assert faults_of(app.openapi()) == [
        "makeThing: write a docstring, it becomes the description.",
        "makeThing: give it a tag.",
        "makeThing: name its function in snake_case.",
        "makeThing: give `size` of its body an example: Field(examples=[…]).",
        "secured_poorly: answer 401 with a problem.",
        "secured_poorly: answer 403 with a problem.",
        "secured_poorly: say that it needs `things:read`.",
    ]


async def secured_poorly() -> None:
    """Says nothing about scopes: FastAPI alone describes it."""


def test_the_frameworks_own_error_shape_is_gone(document: Json) -> None:
    assert "HTTPValidationError" not in str(document)
    assert "ValidationError" not in document["components"]["schemas"]


def test_every_reference_leads_somewhere(document: Json) -> None:
    dangling = [name for name in references(document) if name not in document["components"]["schemas"]]

    assert references(document)
    assert dangling == []


def test_a_problem_has_the_fields_that_callers_rely_on(document: Json) -> None:
    fields = document["components"]["schemas"]["Problem"]["properties"]

    assert set(fields) == {"type", "title", "status", "detail", "instance", "request_id", "errors"}


def test_every_operation_id_is_there_once(secured: Json) -> None:
    ids = [operation["operationId"] for operation in operations(secured)]

    assert len(ids) == len(set(ids))


def references(part: Any) -> list[str]:
    """The names of all schemas that are referred to, at any depth."""
    if isinstance(part, list):
        return [name for item in part for name in references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"].removeprefix("#/components/schemas/")] if isinstance(part.get("$ref"), str) else []
    return own + [name for item in part.values() for name in references(item)]
