"""When a partner wants to be asked again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.retry_after import MOST_SECONDS, seconds_to_wait

# A year that no clock knows.
NEVER = "1 Jan 99999999999999999999 00:00:00"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("2", 2), ("99999999999", MOST_SECONDS), ("-1", 0), ("1.5", 0), ("", 0), ("soon", 0), (NEVER, 0)],
)
def test_seconds_are_read_and_bounded(value: str, seconds: float) -> None:
    assert seconds_to_wait({"Retry-After": value}) == seconds


def test_a_date_is_read_too() -> None:
    soon, long_ago = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (30, -30))

    assert 28 < seconds_to_wait({"Retry-After": format_datetime(soon, usegmt=True)}) <= 30
    assert seconds_to_wait({"Retry-After": format_datetime(long_ago, usegmt=True)}) == 0


@given(st.text(max_size=40))
def test_nothing_that_a_partner_sends_is_an_error(value: str) -> None:
    assert 0 <= seconds_to_wait({"Retry-After": value}) <= MOST_SECONDS
