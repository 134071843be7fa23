"""The document tells the truth about failures."""

from typing import Any

import pytest

from app.web.openapi import operations
from tests.support.app import unopened_app

Json = dict[str, Any]
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


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


def test_operation_ids_are_unique(document: Json) -> None:
    ids = [operation["operationId"] for operation in operations(document)]

    assert len(ids) == len(set(ids))


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


def references(part: Any) -> list[str]:
    """The names of all schemas that are referred to, at any depth."""
    if isinstance(part, list):
        return [name for item in part for name in references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"].removeprefix("#/components/schemas/")] if isinstance(part.get("$ref"), str) else []
    return own + [name for item in part.values() for name in references(item)]
