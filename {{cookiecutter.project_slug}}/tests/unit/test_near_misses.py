"""Misspelled names are noticed; names of others are left alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.settings import load_settings
from app.settings.loading import warn_about_variables
from app.settings.near_misses import near_misses, unknown_variables
from app.settings.sections import known_names


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DATABASE_POOLSIZE", "DATABASE_POOL_SIZE"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("MANAGMENT_PORT", "MANAGEMENT_PORT"),
        ("SENTRY_DNS", "SENTRY_DSN"),
        ("SECRETKEY", "SECRET_KEY"),
        ("SECRET_KEY_FIL", "SECRET_KEY_FILE"),
        ("redis_url", "REDIS_URL"),
    ],
)
def test_a_misspelled_name_is_found(written: str, meant: str) -> None:
    assert near_misses({written: "x"}, known_names()) == {written: meant}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_PORT", "tcp://10.0.0.7:6379"),
        ("DATABASE_PORT_5432_TCP_ADDR", "10.0.0.7"),
        ("DATABASE_SERVICE_HOST", "10.0.0.7"),
        ("MANAGMENT_PORT", "tcp://10.0.0.7:80"),
        ("MANAGEMENT_PORT_80_TCP", "tcp://10.0.0.7:80"),
        ("LOG_SERVICE_PORT_HTTP", "80"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"),
        ("SENTRY_TRACES_SAMPLE_RATE", "0.1"),
        ("HOSTNAME", "pod-1"),
        ("SECRET_SERVICE", "x"),
    ],
)
def test_what_others_own_is_neither_suspected_nor_unknown(name: str, value: str) -> None:
    assert near_misses({name: value}, known_names()) == {}
    assert unknown_variables({name: value}, known_names()) == []


@pytest.mark.parametrize("name", sorted(known_names()))
def test_our_own_names_are_never_suspected(name: str) -> None:
    assert near_misses({name: "x", f"{name}_FILE": "x"}, known_names()) == {}


@given(name=st.sampled_from(sorted(name for name in known_names() if len(name) >= 8)), data=st.data())
def test_one_missing_letter_is_always_found(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(name) - 1))
    written = name[:place] + name[place + 1 :]

    assert written in near_misses({written: "x"}, known_names())


@pytest.mark.parametrize("name", ["DATABASE", "DATABASE_NAME", "REDIS_PORT", "LOG_FILE"])
def test_a_name_in_our_sections_that_means_nothing_is_unknown(name: str) -> None:
    assert unknown_variables({name: "6379"}, known_names()) == [name]


def test_outside_production_both_only_warn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOLSIZE", "3")
    (folder / ".env").write_text("LOG_COLOUR=red\n")

    with capture_logs() as logs:
        warn_about_variables(load_settings())

    assert logs == [
        {
            "event": "setting_misspelled",
            "variable": "DATABASE_POOLSIZE",
            "did_you_mean": "DATABASE_POOL_SIZE",
            "log_level": "warning",
        },
        {"event": "setting_unknown", "variable": "LOG_COLOUR", "log_level": "warning"},
    ]
