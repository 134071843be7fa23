"""How a partner is set up: a section of the settings, its own variables, nothing else."""

import pytest
from pydantic import ValidationError

from app.resources import partners_from
from app.settings import Settings
from app.settings.production import unsafe_partners
from tests.support.errands import SettingsWithHelper
from tests.support.settings import settings_for

KEY = "a-partners-key-0123456789"


def settings_with(**helper: str) -> Settings:
    return settings_for(database_url="postgresql://app@/app?host=/run", kind=SettingsWithHelper, helper=helper)


def test_a_partner_is_who_has_an_address() -> None:
    [partner] = partners_from(settings_with(url="https://helper.example/api", api_key=KEY))

    assert (partner.name, partner.url, partner.secret) == ("helper", "https://helper.example/api", KEY)
    assert KEY not in repr(partner)
    assert partners_from(settings_with(api_key=KEY)) == []


def test_its_variables_are_named_after_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPER_URL", "https://helper.example")
    monkeypatch.setattr("app.settings.sections.Settings", SettingsWithHelper)

    assert SettingsWithHelper().partners["helper"].url == "https://helper.example"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("helper.example", "must begin with http:// or https://"),
        ("ftp://helper.example", "must begin with http:// or https://"),
        ("https://", "must begin with http:// or https:// and name a host"),
        ("https://user:secret@helper.example", "must hold neither a user nor a query"),
        ("https://helper.example/?key=secret", "must hold neither a user nor a query"),
        ("https://helper.example:port", "is not a URL; write it like"),
        ("https://helper.example:99999", "is not a URL; write it like"),
        ("https://[::1", "is not a URL; write it like"),
        ("https://hel per.example", "has a space or a line break in it"),
        ("https://helper\n.example", "has a space or a line break in it"),
    ],
)
def test_an_address_that_could_not_work_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        settings_with(url=url)


@pytest.mark.parametrize("key", ["two\nlines", "line\r", "nothing\0more", "tab\t", "schlüssel", "end\x7f"])
def test_a_key_that_no_header_may_have_is_refused_in_a_sentence_that_does_not_show_it(key: str) -> None:
    with pytest.raises(ValidationError, match="no header may have") as refused:
        settings_with(url="https://helper.example", api_key=key)

    [detail] = refused.value.errors()
    assert key not in detail["msg"]


@pytest.mark.parametrize(
    ("helper", "is_refused"),
    [
        ({"url": "http://helper.example", "api_key": KEY}, True),
        ({"url": "http://helper.example", "api_key": KEY, "tls": "off"}, False),
        ({"url": "http://helper.example"}, False),
        ({"url": "http://127.0.0.1:8080", "api_key": KEY}, False),
        ({"url": "https://helper.example", "api_key": KEY}, False),
    ],
)
def test_production_sends_no_key_in_the_clear(helper: dict[str, str], is_refused: bool) -> None:
    sentences = list(unsafe_partners(settings_with(**helper)))

    expected = "HELPER_URL sends a key in the clear: use https://, or set HELPER_TLS=off on purpose."
    assert sentences == ([expected] if is_refused else [])
