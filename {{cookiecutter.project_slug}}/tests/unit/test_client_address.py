"""Whatever is sent, only what our own proxies have written tells where a caller comes from."""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import ConfigurationError, load_settings
from app.web.middleware.client_address import ClientAddress, network_of
from app.web.middleware.edge import Exchange

PROXIES = ["10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48"]
PROXY, OTHER_PROXY, IPV6_PROXY = "10.0.0.1", "192.0.2.1", "2001:db8:ffff::7"
CALLER = "203.0.113.9"

Header = tuple[bytes, bytes]


def followed(peer: str | None, headers: Sequence[Header], *, proxies: Sequence[str] = PROXIES) -> Any:
    """The scope of a request, after the concern has seen it."""
    client = (peer, 5000) if peer is not None else None
    scope: dict[str, Any] = {"type": "http", "scheme": "http", "client": client, "headers": list(headers)}
    ClientAddress(proxies).on_request(Exchange(scope, dict(headers)))
    return scope


def address(peer: str | None, *headers: Header, proxies: Sequence[str] = PROXIES) -> str | None:
    client = followed(peer, headers, proxies=proxies)["client"]
    return str(client[0]) if client else None


def x_for(*lines: str) -> list[Header]:
    return [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]


def forwarded(*lines: str) -> list[Header]:
    return [(b"forwarded", line.encode("latin-1")) for line in lines]


# What a caller may send: any bytes, and what looks much like the real thing.
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PIECES = st.sampled_from(
    [*'",;=[]: *', "for=", "proto=https", "for=unknown", "_hidden", PROXY, OTHER_PROXY, "127.0.0.1"]
)
SENT = st.one_of(
    st.binary(max_size=60),
    st.lists(st.one_of(PIECES, ADDRESSES), max_size=12).map(lambda pieces: "".join(pieces).encode()),
)
NAMES = st.sampled_from([b"x-forwarded-for", b"forwarded", b"x-forwarded-proto", b"x-real-ip"])
SENT_HEADERS = st.lists(st.tuples(NAMES, SENT), max_size=5)
CALLERS = ADDRESSES.filter(lambda text: getattr(ip_address(text), "ipv4_mapped", None) is None and not is_proxy(text))


def is_proxy(text: str) -> bool:
    return ClientAddress(PROXIES).is_proxy(text)


@given(peer=CALLERS, sent=SENT_HEADERS)
def test_whatever_a_stranger_sends_it_is_known_by_the_address_it_has(peer: str, sent: list[Header]) -> None:
    scope = followed(peer, sent)

    assert (scope["client"], scope["scheme"]) == ((peer, 5000), "http")


@given(caller=CALLERS, sent=st.lists(SENT, max_size=3), inner=st.booleans(), same_line=st.booleans())
def test_what_stands_left_of_our_proxies_never_wins(
    caller: str, sent: list[bytes], *, inner: bool, same_line: bool
) -> None:
    """One proxy or two; they may add to the caller's line, or write one of their own."""
    written = [caller.encode(), *([OTHER_PROXY.encode()] if inner else [])]
    lines = [b", ".join([*sent, *written])] if same_line else [*sent, *written]

    assert address(PROXY, *[(b"x-forwarded-for", line) for line in lines]) == caller


@given(caller=CALLERS, sent=st.lists(SENT, max_size=3), same_line=st.booleans(), has_port=st.booleans())
def test_nor_does_it_in_the_standard_header(caller: str, sent: list[bytes], *, same_line: bool, has_port: bool) -> None:
    node = f"[{caller}]" if ":" in caller else caller
    written = f'for="{node}{":4711" if has_port else ""}";proto=https;by=_us'.encode()
    lines = [b", ".join([*sent, written])] if same_line else [*sent, written]

    assert address(PROXY, *[(b"forwarded", line) for line in lines]) == caller


@given(caller=CALLERS, sent=SENT_HEADERS)
def test_a_second_header_cannot_put_another_address_in_its_place(caller: str, sent: list[Header]) -> None:
    written = x_for(f"junk, {caller}")
    others = [header for header in sent if header[0] != b"x-forwarded-for"]

    assert address(PROXY, *others, *written) in {caller, PROXY}


@given(text=st.text(alphabet=st.characters(max_codepoint=255), max_size=80))
def test_anything_at_all_can_be_read(text: str) -> None:
    found = address(PROXY, *x_for(text), *forwarded(text))

    assert found == PROXY or ip_address(str(found))


@pytest.mark.parametrize(
    ("hop", "meant"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        (" 203.0.113.9\t", "203.0.113.9"),
    ],
)
@pytest.mark.parametrize("peer", [PROXY, f"::ffff:{PROXY}", IPV6_PROXY, OTHER_PROXY])
def test_addresses_are_understood_as_proxies_write_them(peer: str, hop: str, meant: str) -> None:
    assert address(peer, *x_for(hop)) == meant


@pytest.mark.parametrize(
    "hop",
    ["", "unknown", "_hidden", "example.com", "1.2.3", "01.2.3.4", "1.2.3.4.5", "[::1", "::1]", "1.2.3.4;", "x" * 99],
)
def test_what_is_no_address_ends_the_search_at_the_last_proxy(hop: str) -> None:
    assert address(PROXY, *x_for(f"{CALLER}, {hop}")) == PROXY
    assert address(PROXY, *x_for(f"{CALLER}, {hop}, {OTHER_PROXY}")) == OTHER_PROXY


@pytest.mark.parametrize(
    ("element", "meant"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('For="[2001:db8::1]:4711"', "2001:db8::1"),
        ("proto=https;for=203.0.113.9;by=_us", "203.0.113.9"),
        ('for="203.0.113.9:_a1"', "203.0.113.9"),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("by=203.0.113.9", PROXY),
        ("for=203.0.113.9;for=198.51.100.1", PROXY),
        ('for="203.0.113.9', PROXY),
        ('for="x, for=203.0.113.9', "203.0.113.9"),
    ],
)
def test_elements_of_the_standard_header_are_understood(element: str, meant: str) -> None:
    assert address(PROXY, *forwarded(element)) == meant


def test_of_nothing_but_proxies_the_first_is_the_caller() -> None:
    assert address(PROXY, *x_for("10.9.9.9, 10.8.8.8")) == "10.9.9.9"


def test_more_proxies_than_anybody_has_are_not_followed() -> None:
    chain = ", ".join([CALLER, *[PROXY] * 30])

    assert address(PROXY, *x_for(chain)) == PROXY


def test_two_headers_that_agree_are_believed() -> None:
    assert address(PROXY, *x_for(f"8.8.8.8, {CALLER}"), *forwarded(f"for=9.9.9.9, for={CALLER}")) == CALLER


def test_of_two_headers_that_disagree_neither_is_believed() -> None:
    headers = [*x_for(CALLER), *forwarded("for=198.51.100.1;proto=https"), (b"x-forwarded-proto", b"https")]

    scope = followed(PROXY, headers)

    assert (scope["client"], scope["scheme"]) == ((PROXY, 5000), "http")


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([(b"x-forwarded-proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b"HTTPS")], "https"),
        ([(b"x-forwarded-proto", b"http"), (b"x-forwarded-proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b"http, https")], "https"),
        ([(b"x-forwarded-proto", b"gopher")], "http"),
        ([(b"x-forwarded-proto", b"")], "http"),
        (forwarded(f"for={CALLER};proto=https"), "https"),
        (forwarded(f"for=1.1.1.1;proto=http, for={CALLER};proto=https, for={OTHER_PROXY};proto=http"), "https"),
        (forwarded(f"for={CALLER}"), "http"),
    ],
)
def test_the_scheme_is_that_of_the_callers_own_connection(headers: list[Header], scheme: str) -> None:
    assert followed(PROXY, headers)["scheme"] == scheme


@pytest.mark.parametrize("peer", [CALLER, PROXY, None])
def test_everybody_may_be_believed_but_only_about_one_hop(peer: str | None) -> None:
    assert address(peer, *x_for("6.6.6.6, 198.51.100.1"), proxies=["*"]) == "198.51.100.1"


def test_a_unix_socket_is_nobody_in_particular() -> None:
    assert address(None, *x_for(CALLER)) is None
    assert network_of(followed(None, [])) == ""


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_customer_is_one_however_many_addresses_it_has(peer: str, network: str) -> None:
    assert network_of(followed(peer, [])) == network


@pytest.mark.parametrize("value", ["proxy.internal", "10.0.0.1/8", "10.0.0", "10.0.0.0/33", "10.0.0.1:80", "[::1]"])
def test_what_is_no_address_of_a_proxy_is_refused_at_the_start(
    value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", f"10.0.0.7, {value}")

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert refused.value.problems == [
        f"TRUSTED_PROXIES: '{value}' is neither an address nor the beginning of a network, "
        "such as 10.0.0.7, 10.1.0.0/16 or 2001:db8::/32."
    ]
