"""Requests to partners, made from what a caller of a client says."""

import pytest

from app.clients.requests import PathRefused, checked_path, request_for


@pytest.mark.parametrize("path", ["/", "/a", "/a/b.json", "/a/..b/", "//a", "/%2F", "/ä b", "/a;b=1", "/a/%2e%2e%2e"])
def test_a_path_below_the_partners_address_is_taken(path: str) -> None:
    assert checked_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/..",
        "/./a",
        "/%2e%2E/a",
        "/.%2e",
        "/a?b=1",
        "/a#b",
        "/a\\b",
        "/a\nb",
        "/a\x00",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(PathRefused):
        checked_path(path)


@pytest.mark.parametrize("path", ["", "quote", "http://a/b"])
def test_a_path_without_a_slash_is_the_programmers_mistake(path: str) -> None:
    with pytest.raises(ValueError, match="A path begins with /"):
        checked_path(path)


def test_whoever_puts_a_query_into_a_path_is_told_where_it_belongs_and_it_is_not_repeated() -> None:
    with pytest.raises(PathRefused, match="Give a query as `query=`") as refused:
        checked_path("/quote?token=secret")

    assert "question mark" in str(refused.value)
    assert "secret" not in f"{refused.value} {refused.value.__notes__}"


def test_identical_requests_are_equal_and_others_are_not() -> None:
    def request(**changes: object) -> object:
        given = {"query": {"a": 1}, "json": None, "headers": {"A": "b"}, "idempotency_key": None}
        return request_for("GET", "http://helper/a", **{**given, **changes})  # type: ignore[arg-type] # by name

    assert request() == request()
    assert hash(request()) == hash(request())
    others: list[dict[str, object]] = [
        {"query": {"a": 2}},
        {"json": {"a": 1}},
        {"headers": {"A": "c"}},
        {"idempotency_key": "a-key"},
    ]
    assert request() not in [request(**other) for other in others]


def test_what_is_logged_of_a_request_is_its_path_alone() -> None:
    request = request_for(
        "POST", "http://helper/api/a", query=[("token", "a b")], json={"a": 1}, headers=None, idempotency_key="a-key"
    )

    assert request.url == "http://helper/api/a?token=a+b"
    assert request.path == "/api/a"
    assert dict(request.headers) == {"Content-Type": "application/json", "Idempotency-Key": "a-key"}
    assert request.body == b'{"a":1}'
