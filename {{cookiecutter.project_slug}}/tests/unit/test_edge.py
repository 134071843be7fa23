"""What the edge knows of a request's headers."""

from hypothesis import given
from hypothesis import strategies as st

from app.web.middleware.edge import by_name

NAMES = st.sampled_from([b"accept", b"cookie", b"x-one", b"x-two"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=4))))
def test_several_lines_of_a_name_are_one_list(headers: list[tuple[bytes, bytes]]) -> None:
    found = by_name(headers)

    assert found == {
        name: b", ".join(value for each, value in headers if each == name) for name in {name for name, _ in headers}
    }
