"""What operators are told of a database in trouble: the beginning and the end of each kind, and nothing between."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.persistence.errors import READ_ONLY, DatabaseBusy, DatabaseTrouble, DatabaseUnavailable, StatementTimedOut
from app.persistence.troubles import QUIET_SECONDS, Troubles
from tests.support.clock import Clock


class ServerError(Exception):
    """As the driver raises them."""

    def __init__(self, message: str, *, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


READ_ONLY_SERVER = ServerError("cannot execute INSERT\nDETAIL: jane", sqlstate=READ_ONLY)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def troubles(clock: Clock) -> Troubles:
    return Troubles(clock=clock)


@pytest.fixture
def events() -> Iterator[Sequence[MutableMapping[str, Any]]]:
    with capture_logs() as captured:
        yield captured


def because(cause: Exception | None, error: DatabaseTrouble | None = None) -> DatabaseTrouble:
    trouble = error or DatabaseUnavailable()
    trouble.__cause__ = cause
    return trouble


def test_each_kind_is_told_once(troubles: Troubles, events: Sequence[MutableMapping[str, Any]]) -> None:
    for _ in range(3):
        troubles.add(because(ConnectionRefusedError("refused")))
        troubles.add(because(TimeoutError()))
        troubles.add(because(READ_ONLY_SERVER))
        troubles.add(because(None, DatabaseBusy()))
        troubles.add(because(TimeoutError(), StatementTimedOut()))

    assert {event["event"] for event in events} == {"database_hindered"}
    assert [(event["error"], event["cause"]) for event in events] == [
        ("DatabaseUnavailable", "refused"),
        ("DatabaseUnavailable", "TimeoutError"),
        ("DatabaseUnavailable", "cannot execute INSERT"),
        ("DatabaseBusy", None),
        ("StatementTimedOut", "TimeoutError"),
    ]


def test_it_is_over_when_something_goes_well_and_nobody_has_met_it_for_a_while(
    troubles: Troubles, clock: Clock, events: Sequence[MutableMapping[str, Any]]
) -> None:
    troubles.add(because(ConnectionRefusedError("refused")))
    clock.advance(12)
    troubles.add(because(ConnectionRefusedError("refused again")))
    clock.advance(QUIET_SECONDS - 1)
    troubles.settle(has_only_read=True)
    told_too_early = len(events)
    clock.advance(1)
    for _ in range(2):
        troubles.settle(has_only_read=True)

    assert told_too_early == 1
    [_, over] = events
    assert (over["event"], over["cause"], over["failures"], over["seconds"]) == ("database_recovered", "refused", 2, 12)


def test_that_reading_goes_on_does_not_show_that_writing_does(
    troubles: Troubles, clock: Clock, events: Sequence[MutableMapping[str, Any]]
) -> None:
    troubles.add(because(READ_ONLY_SERVER))
    clock.advance(QUIET_SECONDS)
    troubles.settle(has_only_read=True)
    told_of_reads = len(events)
    troubles.settle(has_only_read=False)

    assert told_of_reads == 1
    assert [event["event"] for event in events] == ["database_hindered", "database_recovered"]
