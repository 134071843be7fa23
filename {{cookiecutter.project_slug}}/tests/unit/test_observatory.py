"""The grader of the tests is strict: what it would not notice, no test of ours would."""

import httpx2
import pytest

from tests.support.observatory import grade, score

GOOD = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}


def answer(text: str = "", **headers: str) -> httpx2.Response:
    fields = GOOD | {name.replace("_", "-"): value for name, value in headers.items()}
    present = {name: value for name, value in fields.items() if value}
    return httpx2.Response(200, headers=present, text=text, request=httpx2.Request("GET", "https://a.example"))


def test_the_highest_grade_needs_few_headers() -> None:
    assert (grade(answer()), score(answer())) == ("A+", 120)


def test_an_answer_without_any_is_graded_as_the_observatory_does() -> None:
    bare = httpx2.Response(200, request=httpx2.Request("GET", "https://a.example"))

    assert (grade(bare), score(bare)) == ("D", 30)


@pytest.mark.parametrize(
    ("fault", "points"),
    [
        ({"content_security_policy": ""}, 55),
        ({"content_security_policy": "default-src 'none'; default-src 'self'; frame-ancestors 'none'"}, 75),
        ({"content_security_policy": "default-src 'self'; script-src 'unsafe-inline'; frame-ancestors 'none'"}, 80),
        ({"content_security_policy": "frame-ancestors 'none'"}, 80),
        ({"content_security_policy": "default-src 'none'; connect-src http://a; frame-ancestors 'none'"}, 80),
        ({"content_security_policy": "default-src 'none'; script-src 'unsafe-eval'; frame-ancestors 'none'"}, 100),
        ({"content_security_policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}, 110),
        ({"content_security_policy": "default-src 'none'"}, 80),
        ({"cross_origin_opener_policy": "none"}, 115),
        ({"cross_origin_resource_policy": "same-origin"}, 130),
        ({"referrer_policy": "unsafe-url"}, 110),
        ({"strict_transport_security": ""}, 80),
        ({"strict_transport_security": "max-age=86400"}, 110),
        ({"x_content_type_options": ""}, 115),
        ({"set_cookie": "session=1; Secure; SameSite=Lax"}, 70),
        ({"set_cookie": "theme=dark"}, 115),
        ({"set_cookie": "theme=dark; Secure; SameSite=Perhaps"}, 80),
        ({"set_cookie": "session=1; Secure; HttpOnly; SameSite=Lax"}, 125),
    ],
)
def test_each_fault_costs_what_the_rules_say(fault: dict[str, str], points: int) -> None:
    assert score(answer(**fault)) == points


def test_a_script_of_another_host_costs_too() -> None:
    page = answer('<script src="http://cdn.example/x.js"></script>', content_type="text/html")

    assert grade(page) == "C"
