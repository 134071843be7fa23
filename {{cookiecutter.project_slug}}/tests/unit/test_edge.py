"""What the edge knows of a request's headers."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from app.web.middleware.edge import Edge, by_name, exchange_of

NAMES = st.sampled_from([b"accept", b"cookie", b"x-one", b"x-two"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=4))))
def test_several_lines_of_a_name_are_one_list(headers: list[tuple[bytes, bytes]]) -> None:
    found = by_name(headers)

    assert found == {
        name: b", ".join(value for each, value in headers if each == name) for name in {name for name, _ in headers}
    }


async def test_what_the_server_keeps_of_a_request_holds_nothing_of_ours() -> None:
    """Some keep the scope for as long as the connection is open."""
    scope: Scope = {"type": "http", "headers": []}
    seen = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(exchange_of(scope).scope is scope)

    await Edge(app, concerns=[])(scope, nothing, nothing)

    assert seen == [True]
    assert scope == {"type": "http", "headers": []}


async def nothing(*_: Any) -> Any:
    """To receive, and to send."""
