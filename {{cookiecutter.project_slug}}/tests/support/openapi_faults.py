"""What an OpenAPI document lacks for those who generate clients from it."""

import re
from collections.abc import Iterator
from typing import Any

from app.web.openapi import CONTENT, operations

Json = dict[str, Any]

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def faults_of(document: Json) -> list[str]:
    """A sentence for each, beginning with the operation's name."""
    return [
        f"{operation['operationId']}: {fault}"
        for operation in operations(document)
        for fault in (
            *faults_in_words(operation),
            *faults_in_the_body(operation, document),
            *faults_in_refusals(operation),
        )
    ]


def faults_in_words(operation: Json) -> Iterator[str]:
    if not operation.get("summary"):
        yield "give it a summary."
    if not operation.get("description"):
        yield "write a docstring, it becomes the description."
    if not operation.get("tags"):
        yield "give it a tag."
    if not SNAKE_CASE.fullmatch(operation["operationId"]):
        yield "name its function in snake_case."


def faults_in_the_body(operation: Json, document: Json) -> Iterator[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = resolved(content["schema"], document)
        if has_example(content) or has_example(schema):
            continue
        for name, field in schema.get("properties", {}).items():
            if not has_example(field) and not has_example(resolved(field, document)):
                yield f"give `{name}` of its body an example: Field(examples=[…])."


def faults_in_refusals(operation: Json) -> Iterator[str]:
    scopes = [scope for scheme in operation.get("security", ()) for scopes in scheme.values() for scope in scopes]
    if not scopes:
        return
    for status in ("401", "403"):
        if operation["responses"].get(status, {}).get("content") != CONTENT:
            yield f"answer {status} with a problem."
    for scope in scopes:
        if f"`{scope}`" not in operation.get("description", ""):
            yield f"say that it needs `{scope}`."


def has_example(part: Json) -> bool:
    return bool(part.keys() & {"example", "examples", "const", "enum"}) or any(
        has_example(choice) for choice in part.get("anyOf", ())
    )


def resolved(schema: Json, document: Json) -> Json:
    """The schema behind a reference."""
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return dict(document["components"]["schemas"][name]) if name else schema
