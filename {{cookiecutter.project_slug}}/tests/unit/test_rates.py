"""Rates as people write them, and what is said about those that cannot be counted."""

from pathlib import Path

import pytest

from app.core.rates import Rate
from app.settings import ConfigurationError, load_settings


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", Rate(600, 60)),
        ("10 per 2 seconds", Rate(10, 2)),
        (" 5 / hours ", Rate(5, 3600)),
        ("1/day", Rate(1, 86_400)),
        ("1000000/second", Rate(1_000_000, 1)),
    ],
)
def test_a_rate_is_so_many_in_so_long(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


UNREADABLE = "must be one rate, such as 600/minute or 5 per 10 seconds"
UNCOUNTABLE = "must allow 1 to 1000000 in at most a day"


@pytest.mark.parametrize("name", ["RATE_LIMIT_DEFAULT", "RATE_LIMIT_ADDRESS", "RATE_LIMIT_REFUSED"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("600", UNREADABLE),
        ("minute", UNREADABLE),
        ("-1/minute", UNREADABLE),
        ("1/second;60/minute", UNREADABLE),
        ("6e2/minute", UNREADABLE),
        ("0/minute", UNCOUNTABLE),
        ("1000001/minute", UNCOUNTABLE),
        ("1/month", UNCOUNTABLE),
    ],
)
def test_a_setting_that_is_no_rate_is_refused(
    name: str, text: str, reason: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert refused.value.problems == [f"{name}: {reason}."]


def test_unless_set_otherwise_a_caller_may_call_ten_times_a_second(folder: Path) -> None:
    rate = load_settings().rate

    texts = (rate.limit_default, rate.limit_address, rate.limit_refused)
    assert [Rate.parse(text) for text in texts] == [Rate(600, 60), Rate(3000, 60), Rate(60, 60)]
