"""Accept-Encoding, as RFC 9110 (section 12.5.3) wants it read."""

from hypothesis import given
from hypothesis import strategies as st

from app.web.content_coding import ENCODERS, IDENTITY, Preference, preference
from tests.support.content_decoding import DECODERS

WEIGHTS = st.sampled_from(["0", "0.0", "0.001", "0.5", "0.9", "1", "1.000"])
NAMES = st.sampled_from([*ENCODERS, IDENTITY, "*", "deflate", "compress"])
WISHES = st.dictionaries(NAMES, WEIGHTS, max_size=7)


def written(wishes: dict[str, str]) -> str:
    return ", ".join(f"{name};q={weight}" for name, weight in wishes.items())


@given(WISHES)
def test_nobody_gets_what_was_refused_or_liked_less(wishes: dict[str, str]) -> None:
    chosen = preference(written(wishes)).coding

    def weight(name: str) -> float:
        return float(wishes.get(name, wishes.get("*", "0")))

    assert weight(chosen) > 0 or chosen == IDENTITY
    assert all(weight(name) <= weight(chosen) or chosen == IDENTITY for name in ENCODERS)
    assert chosen == IDENTITY or weight(chosen) >= weight(IDENTITY)
    assert chosen != IDENTITY or all(weight(name) == 0 or weight(name) < weight(IDENTITY) for name in ENCODERS)


@given(WISHES)
def test_the_order_of_a_header_means_nothing(wishes: dict[str, str]) -> None:
    assert preference(written(dict(reversed(wishes.items())))) == preference(written(wishes))


@given(st.text(max_size=400))
def test_no_header_is_an_error(header: str) -> None:
    assert preference(header).coding in {*ENCODERS, IDENTITY}


@given(st.text(alphabet="gzipbrtd*=;q,.0159 -identity", max_size=60))
def test_no_header_that_looks_right_is_an_error(header: str) -> None:
    assert preference(header).coding in {*ENCODERS, IDENTITY}


def test_only_whoever_says_so_needs_a_coding() -> None:
    assert preference("gzip") == Preference("gzip")
    assert preference("gzip, identity;q=0") == Preference("gzip", needs_coding=True)
    assert preference("gzip, *;q=0") == Preference("gzip", needs_coding=True)
    assert preference("identity;q=0") == Preference(IDENTITY)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.sampled_from(list(ENCODERS)))
def test_however_a_body_is_cut_the_same_comes_out(pieces: list[bytes], coding: str) -> None:
    encoder = ENCODERS[coding]()

    coded = b"".join([*map(encoder.feed, pieces[:-1]), encoder.finish(pieces[-1])])

    assert DECODERS[coding](coded) == b"".join(pieces)
