"""A quick route is a route of FastAPI's: whatever it is asked, it says the same."""

from types import SimpleNamespace

import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from app.web.quick_route import QuickRoute

TEMPLATES = ("/", "/v1/toys", "/v1/toys/{toy_id}", "/v1/toys/{toy_id:int}/parts", "/{tail:path}", "/a b/{ü}")

# Near misses above all: other endings, other cases, what a parameter must not hold, and prefixes of proxies.
pieces = st.sampled_from(["", "/", "v1", "V1", "toys", "toy", "7", "x", "parts", "a b", "ü", "..", "\n"])
paths = st.lists(pieces, max_size=8).map("".join)
prefixes = st.sampled_from(["", "/", "/v1", "/behind"])


async def endpoint() -> None:
    """Not called here."""


@pytest.mark.parametrize("template", TEMPLATES)
@given(path=paths, prefix=prefixes, method=st.sampled_from(["GET", "POST"]))
def test_it_matches_what_fastapi_matches(template: str, path: str, prefix: str, method: str) -> None:
    scope: Scope = {"type": "http", "method": method, "path": prefix + path, "root_path": prefix}
    quick, usual = (kind(template, endpoint, methods=["GET"]) for kind in (QuickRoute, APIRoute))

    matched, found = quick.matches(scope)
    expected, wanted = usual.matches(scope)

    assert (matched, found.get("path_params")) == (expected, wanted.get("path_params"))


def test_a_wrong_beginning_is_refused_without_the_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    route = QuickRoute("/v1/toys/{toy_id}", endpoint, methods=["GET"])
    asked: list[str] = []
    monkeypatch.setattr(route, "path_regex", SimpleNamespace(match=asked.append))

    for path in ("/v1/books/7", "/v1/toys/7"):
        route.matches({"type": "http", "method": "GET", "path": path, "root_path": ""})

    assert asked == ["/v1/toys/7"]


@given(path=paths)
def test_a_path_of_its_own_is_always_matched(path: str) -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/v1/toys/" + path.replace("/", "") + "1", "root_path": ""}

    _, found = QuickRoute("/v1/toys/{toy_id}", endpoint, methods=["GET"]).matches(scope)

    assert found["path_params"] == {"toy_id": path.replace("/", "") + "1"}
