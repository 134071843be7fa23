"""Which URLs that come from data may be called."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.ssrf_guard import UrlRefused, UrlRules, is_public

RULES = UrlRules(schemes=frozenset({"http", "https"}), ports=frozenset({80, 443}))

FIT = {
    "https://example.com/hook?a=1#part": "https://example.com",
    "https://EXAMPLE.com:443": "https://example.com:443",
    "https://example.com.": "https://example.com.",
    "https://a_b.example.com/": "https://a_b.example.com",
    f"https://{63 * 'a'}.example/": f"https://{63 * 'a'}.example",
    "https://xn--bcher-kva.example/": "https://xn--bcher-kva.example",
    "https://1.1.1.1/": "https://1.1.1.1",
    "https://[2606:4700::1111]:443/": "https://[2606:4700::1111]:443",
}

OTHER_THAN_PUBLIC = [
    # this machine, and what stands for it
    "0.0.0.0",  # noqa: S104 - refused
    *("127.0.0.1", "127.255.255.254", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1"),
    # our own network
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1", "fec0::1"),
    # the link, and the metadata of clouds
    *("169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:169.254.169.254"),
    # groups, broadcast, set aside
    *("224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "2001:db8::1", "192.0.0.1"),
    # what some versions of Python take for public; the first is where Oracle's cloud keeps its secrets
    *("192.0.0.192", "192.0.0.8", "192.0.0.9", "192.88.99.1", "3fff::1", "3fff:fff::1"),
    # one address inside of another
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:7f00:1::"),
    *("64:ff9b:1::7f00:1", "::ffff:0:127.0.0.1", "64:ff9b::224.0.0.1"),
]

ODD = [
    # addresses as only some read them
    *("http://127.1/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://0177.0.0.1/", "http://2130706433/"),
    *("http://017700000001/", "http://0/", "http://127.0.0.1./", "http://1.1.1.1./", "http://%31%32%37.0.0.1/"),
    *("http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://[::1%25lo]/", "http://[v1.x]/", "http://[::1"),
    # somebody else's name in front
    *(
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "http://@example.com/",
    ),
    *("http://example.com\\@127.0.0.1/", "http://127.0.0.1:80\\@example.com/"),
    # what is no URL for HTTP, or none at all
    *("ftp://example.com/", "file:///etc/passwd", "gopher://example.com:80/", "//example.com/", "example.com", ""),
    *("http://", "http:///path", "javascript:alert(1)", "unix:/run/app.sock", "http://-a.example.com/"),
    # what no name could be
    *("http://a..b/", "http://.a/", "http://a../", f"http://{64 * 'a'}.example/", "http://a-.example/"),
    # other ports, and none that could be
    *("http://example.com:22/", "http://example.com:6379/", "http://example.com:99999/", "http://example.com:0x50/"),
    *("http://example.com:80:80/", "http://example.com:8 0/"),
    # more than a URL
    *("http://exa mple.com/", "http://example.com/\r\nX: y", "http://example.com/\t", "http://example.com/\x00"),
    "http://example.com/" + 2048 * "a",
]


@pytest.mark.parametrize("url", FIT)
def test_a_plain_url_may_be_called(url: str) -> None:
    assert RULES.origin_of(url) == FIT[url]


@pytest.mark.parametrize("address", OTHER_THAN_PUBLIC)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(UrlRefused, match="is not public"):
        RULES.origin_of(f"http://{host}/")
    with pytest.raises(UrlRefused):
        RULES.check([ip_address("1.1.1.1"), ip_address(address)])


@pytest.mark.parametrize("url", ODD)
def test_a_url_that_somebody_could_read_otherwise_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        RULES.origin_of(url)


def test_only_https_at_its_own_port_may_be_called_unless_somebody_says_otherwise() -> None:
    assert UrlRules().origin_of("https://example.com/")
    for url in (
        "http://example.com/",
        "http://example.com:443/",
        "https://example.com:8443/",
        "https://example.com:80/",
    ):
        with pytest.raises(UrlRefused):
            UrlRules().origin_of(url)


def test_networks_may_be_allowed_by_name_of_their_addresses_alone() -> None:
    rules = UrlRules(networks=(ip_network("10.1.0.0/16"),))

    assert rules.origin_of("https://10.1.2.3/") == "https://10.1.2.3"
    with pytest.raises(UrlRefused):
        rules.origin_of("https://10.2.0.1/")


@given(st.ip_addresses(v=4))
def test_what_carries_an_address_is_as_public_as_that(address: object) -> None:
    number = int(ip_address(str(address)))
    carriers = [(0xFFFF << 32) + number, (0x64FF9B << 96) + number, (0x2002 << 112) + (number << 80)]

    assert {is_public(ip_address(carrier)) for carrier in carriers} == {is_public(ip_address(number))}


@given(st.text(max_size=60))
def test_whatever_is_refused_is_refused_in_a_sentence(text: str) -> None:
    assert found_about(f"http://{text}").startswith(("http://", "This URL is not called from here: "))


def found_about(url: str) -> str:
    """Its origin, or why it is refused."""
    try:
        return RULES.origin_of(url)
    except UrlRefused as refused:
        return str(refused)
