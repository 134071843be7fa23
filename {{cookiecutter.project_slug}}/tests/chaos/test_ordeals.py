"""The instrument itself: what it makes of answers, and that it lets nothing improper pass."""

from pathlib import Path

import httpx2
import pytest

from tests.support.chaos import IN_A_ROW, READ, SLOW_SECONDS, Ordeal, assert_refusals_are_proper, ends_well
from tests.support.chaos_report import read, record, write_document
from tests.support.steady_load import Outcome

FAULT_ENDED = 100.0


def outcome(*, ended: float = FAULT_ENDED, seconds: float = 0.1, status: int | None = 200, text: str = "") -> Outcome:
    headers = {"content-type": "application/problem+json", "x-request-id": "one", "retry-after": "1"}
    refusal = httpx2.Response(status, headers=headers, text=text) if status and status >= 400 else None
    return Outcome(READ, ended - seconds, seconds, status, "" if status else "ReadError('')", refusal=refusal)


def refusal(**members: object) -> Outcome:
    problem = {"type": "about:blank", "title": "No", "status": 503, "detail": "No.", "instance": "/"}
    return outcome(status=503, text=httpx2.Response(503, json={**problem, "request_id": "one", **members}).text)


def test_it_is_over_with_the_last_answer_that_was_an_error_or_slow() -> None:
    ill = [
        outcome(ended=101, status=503),
        outcome(ended=103.5, seconds=SLOW_SECONDS + 1),
        outcome(ended=102, status=None),
    ]

    ordeal = Ordeal([*ill, outcome(ended=110)], FAULT_ENDED)

    assert ordeal.recovery_seconds == 3.5
    assert ordeal.errors == {503: 1, "ReadError": 1}
    assert ordeal.error_share == 0.5
    assert ordeal.worst_seconds == SLOW_SECONDS + 1


def test_errors_during_the_fault_are_no_recovery() -> None:
    ordeal = Ordeal([outcome(ended=99, status=503), outcome(ended=101)], FAULT_ENDED)

    assert ordeal.recovery_seconds == 0


@pytest.mark.parametrize("last", [outcome(status=503), outcome(seconds=SLOW_SECONDS)])
def test_whoever_gets_one_bad_answer_is_not_well(last: Outcome) -> None:
    assert ends_well([outcome()] * IN_A_ROW)
    assert not ends_well([*[outcome()] * IN_A_ROW, last])


def test_a_proper_refusal_may_pass() -> None:
    assert_refusals_are_proper([refusal(), outcome()])


@pytest.mark.parametrize(
    "improper",
    [
        refusal(request_id="another"),
        refusal(status=500),
        refusal(traceback="File ..."),
        outcome(status=503),
    ],
    ids=["another's id", "another status", "a stack trace", "no problem at all"],
)
def test_an_improper_one_may_not(improper: Outcome) -> None:
    with pytest.raises((AssertionError, ValueError)):
        assert_refusals_are_proper([improper])


def test_the_report_keeps_the_last_measurement_of_each_fault(tmp_path: Path) -> None:
    record("one", Ordeal([outcome(status=503)], FAULT_ENDED, 0, 0), folder=tmp_path)
    record("other", Ordeal([outcome()], FAULT_ENDED, 0, 0), folder=tmp_path)
    record("one", Ordeal([outcome()] * 2, FAULT_ENDED, 1, 0), folder=tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- chaos -->\n\nold\n\n<!-- end of chaos -->\n\nAfter.\n")

    write_document(tmp_path, page)

    assert {name: (row.requests, row.lost) for name, row in read(tmp_path).rows.items()} == {
        "one": (2, 1),
        "other": (1, 0),
    }
    assert (tmp_path / "report.md").read_text().strip() in page.read_text()
    assert "old" not in page.read_text()
