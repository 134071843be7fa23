"""Cursors name a row, and nobody else can make one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import new_id
from app.web.pagination import Cursors, InvalidCursor, ListItem

CURSORS = Cursors(b"key")


@given(st.uuids())
def test_a_cursor_names_the_row_it_was_made_for(row: UUID) -> None:
    cursor = CURSORS.point_at(row)

    assert CURSORS.read(cursor) == row
    assert len(cursor) <= 64
    assert row.hex not in cursor


@given(row=st.uuids(), place=st.integers(0, 31), letter=st.sampled_from("AZaz09-_"))
def test_a_changed_cursor_is_refused(row: UUID, place: int, letter: str) -> None:
    cursor = CURSORS.point_at(row)
    changed = cursor[:place] + letter + cursor[place + 1 :]

    if changed != cursor:
        with pytest.raises(InvalidCursor):
            CURSORS.read(changed)


@given(st.text(max_size=64))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(text)


def test_a_cursor_made_with_another_key_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(Cursors(b"another key").point_at(new_id()))


@pytest.mark.parametrize(("found", "goes_on"), [(0, False), (2, False), (3, True)])
def test_a_page_goes_on_when_there_was_one_more_than_asked_for(found: int, *, goes_on: bool) -> None:
    items = [ListItem(id=new_id()) for _ in range(found)]

    page = CURSORS.page(items, limit=2)

    assert page.items == items[:2]
    assert (page.next_cursor is not None) is goes_on
    assert page.next_cursor is None or CURSORS.read(page.next_cursor) == items[1].id
