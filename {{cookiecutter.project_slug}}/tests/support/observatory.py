"""Grades an answer by the published rules of the HTTP Observatory of Mozilla and MDN.

After `src/analyzer/tests` and `src/grader/charts.js` of github.com/mdn/mdn-http-observatory, version 1.6.3
(algorithm 6, August 2026).
Left out, because no answer shows it: whether http redirects to https, and whether a host is preloaded.
"""

import re
from collections.abc import Callable, Sequence

import httpx2

Directives = dict[str, set[str]]

BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
UNSAFE_INLINE = {"'unsafe-inline'", "data:"}
SIX_MONTHS = 15_552_000
ENOUGH_FOR_BONUS = 90
GRADES = {100: "A+", 90: "A", 85: "A-", 80: "B+", 70: "B", 65: "B-", 60: "C+", 50: "C", 45: "C-", 40: "D+", 30: "D"}


def grade(answer: httpx2.Response) -> str:
    """Its letter, as if it had come over https."""
    return next((letter for least, letter in GRADES.items() if score(answer) >= least), "F")


def score(answer: httpx2.Response) -> int:
    """Bonuses count only for what is good without them."""
    modifiers = [check(answer) for check in CHECKS]
    without_bonus = 100 + sum(modifier for modifier in modifiers if modifier < 0)
    return 100 + sum(modifiers) if without_bonus >= ENOUGH_FOR_BONUS else max(without_bonus, 0)


def content_security_policy(answer: httpx2.Response) -> int:
    try:
        policy = parse_policy(answer.headers.get_list("content-security-policy"))
    except ValueError:
        return -25
    scripts, styles, objects = (sources(policy, name) for name in ("script-src", "style-src", "object-src"))
    if scripts & (BROAD | UNSAFE_INLINE) or objects & BROAD:
        return -20
    active = {source for name, values in policy.items() if name not in {"img-src", "media-src"} for source in values}
    if loads_insecurely(active):
        return -20
    if "'unsafe-eval'" in scripts | styles or loads_insecurely(
        sources(policy, "img-src") | sources(policy, "media-src")
    ):
        return -10
    if styles & (BROAD | UNSAFE_INLINE):
        return 0
    return 10 if policy.get("default-src") == {"'none'"} else 5


def parse_policy(headers: Sequence[str]) -> Directives:
    """Raises `ValueError` if there is none, or one that says something twice; we never send two."""
    (header,) = headers
    entries = [entry.split() for entry in header.lower().split(";") if entry.strip()]
    names = [name for name, *_ in entries]
    if len(names) != len(set(names)):
        raise ValueError("a directive is there twice")
    return {name: set(values) or {"'none'"} for name, *values in entries}


def sources(policy: Directives, name: str) -> set[str]:
    """With a nonce or a hash, browsers ignore `unsafe-inline`."""
    found = policy.get(name, policy.get("default-src", {"*"}))
    has_nonce = any(source.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-")) for source in found)
    return found - {"'unsafe-inline'"} if has_nonce else found


def loads_insecurely(found: set[str]) -> bool:
    return any(source.startswith(("http:", "ftp:")) for source in found)


def cookies(answer: httpx2.Response) -> int:
    """Only the rules that a cookie can break by its own attributes, under HSTS."""
    found = [cookie.lower() for cookie in answer.headers.get_list("set-cookie")]
    is_session = [bool(re.match(r"[^=]*(login|sess)", cookie)) for cookie in found]
    if any(session and "httponly" not in cookie for cookie, session in zip(found, is_session, strict=True)):
        return -30
    if any("samesite=" in cookie and not re.search("samesite=(lax|strict|none)", cookie) for cookie in found):
        return -20
    if any("secure" not in cookie for cookie in found):
        return -10 if any(is_session) else -5
    return 5 if found and all("samesite=" in cookie for cookie in found) else 0


def embedder_policy(answer: httpx2.Response) -> int:
    return one_of(answer, "cross-origin-embedder-policy", good={"require-corp", "credentialless"}, fair={"unsafe-none"})


def opener_policy(answer: httpx2.Response) -> int:
    good = {"same-origin", "same-origin-allow-popups", "noopener-allow-popups"}
    return one_of(answer, "cross-origin-opener-policy", good=good, fair={"unsafe-none"})


def resource_policy(answer: httpx2.Response) -> int:
    return one_of(answer, "cross-origin-resource-policy", good={"same-site", "same-origin"}, fair={"cross-origin"})


def one_of(answer: httpx2.Response, name: str, *, good: set[str], fair: set[str]) -> int:
    value = ", ".join(answer.headers.get_list(name))
    return 10 if value in good else 0 if value in fair | {""} else -5


def cross_origin_sharing(answer: httpx2.Response) -> int:
    """Anybody's page with the visitor's credentials."""
    origin = answer.request.headers.get("origin")
    allowed = answer.headers.get("access-control-allow-origin")
    with_credentials = answer.headers.get("access-control-allow-credentials") == "true"
    return -50 if origin and allowed == origin and with_credentials else 0


def referrer_policy(answer: httpx2.Response) -> int:
    good = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
    value = answer.headers.get("referrer-policy")
    return 0 if value is None else 5 if value in good else -5


def strict_transport_security(answer: httpx2.Response) -> int:
    age = re.fullmatch(
        r"max-age=(\d+)(; includesubdomains)?", answer.headers.get("strict-transport-security", "").lower()
    )
    if age is None:
        return -20
    return 0 if int(age[1]) >= SIX_MONTHS else -10


def subresource_integrity(answer: httpx2.Response) -> int:
    """Scripts of other hosts; our own need none."""
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return 0
    foreign = re.findall(r'<script[^>]*src="((?:https?:)?//[^"]*)"[^>]*>', answer.text)
    return 0 if not foreign else -5 if all(src.startswith("https:") for src in foreign) else -50


def content_type_options(answer: httpx2.Response) -> int:
    return 0 if answer.headers.get("x-content-type-options") == "nosniff" else -5


def frame_options(answer: httpx2.Response) -> int:
    has_ancestors = "frame-ancestors" in answer.headers.get("content-security-policy", "")
    return 5 if has_ancestors or answer.headers.get("x-frame-options", "").lower() in {"deny", "sameorigin"} else -20


CHECKS: list[Callable[[httpx2.Response], int]] = [
    content_security_policy,
    cookies,
    embedder_policy,
    opener_policy,
    resource_policy,
    cross_origin_sharing,
    referrer_policy,
    strict_transport_security,
    subresource_integrity,
    content_type_options,
    frame_options,
]
