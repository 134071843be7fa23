"""What operators are told when there is no way into the database: which setting, why, and whether to try again."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.persistence.refusals import is_lasting
from app.security.keys import new_key
from tests.support.commands import STRONG_KEY, for_production, run_app
from tests.support.outages import BreakablePostgres
from tests.support.serving_app import TALKATIVE, serving
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import wait_until

PLANTED = "pl4nted-s3cret"
WITHOUT_HOPE = "The database cannot be reached with this DATABASE_URL: "


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakablePostgres]:
    with BreakablePostgres(tmp_path_factory.mktemp("unreachable") / "postgres", fast=True) as server:
        yield server


def told(url: str, *, folder: Path) -> str:
    """What `app migrate` says, in one line of stderr."""
    done = run_app("migrate", folder=folder, DATABASE_URL=url, SECRET_KEY=STRONG_KEY)
    assert (done.exit_code, done.stdout) == (69, "")
    [line] = done.stderr.splitlines()
    return line


def as_nobody(url: str) -> str:
    return urlsplit(url)._replace(netloc=f"nobody:{PLANTED}@").geturl()


def into_nothing(url: str) -> str:
    return urlsplit(url)._replace(path="/nothing").geturl()


def with_an_unknown_setting(url: str) -> str:
    return f"{url}&foo=bar"


@pytest.mark.parametrize(
    ("mistaken", "words"),
    [
        (as_nobody, 'role "nobody" does not exist'),
        (into_nothing, 'database "nothing" does not exist'),
        (with_an_unknown_setting, 'unrecognized configuration parameter "foo"'),
    ],
)
def test_what_a_server_refuses_for_good_is_no_matter_of_patience(
    postgres: BreakablePostgres, mistaken: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    said = told(mistaken(postgres.url), folder=tmp_path)

    assert said == f"{WITHOUT_HOPE}{words}. Correct it, or the server."


@pytest.mark.parametrize("cut", [ssl.SSLEOFError(), ssl.SSLZeroReturnError()])
def test_a_handshake_that_was_cut_off_may_succeed_the_next_time(cut: ssl.SSLError) -> None:
    assert is_lasting(ssl.SSLError())
    assert not is_lasting(cut)


def test_nor_is_a_server_without_tls(postgres: BreakablePostgres, tmp_path: Path) -> None:
    assert postgres.sockets
    with tcp_proxy(postgres.sockets / ".s.PGSQL.5432") as proxy:
        said = told(f"postgresql://app@127.0.0.1:{proxy.port}/app?sslmode=require", folder=tmp_path)

    assert said.startswith(WITHOUT_HOPE)
    assert "rejected SSL upgrade" in said


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslcrl"])
def test_nor_is_a_certificate_that_is_not_there_and_it_is_named(name: str, tmp_path: Path) -> None:
    said = told(f"postgresql://app@127.0.0.1:1/app?sslmode=require&{name}=/nope", folder=tmp_path)

    assert said == f"{WITHOUT_HOPE}[Errno 2] No such file or directory: '/nope'. Correct it, or the server."


def test_a_server_that_hangs_is_a_time_out(postgres: BreakablePostgres, tmp_path: Path) -> None:
    postgres.freeze()
    try:
        said = told(postgres.url, folder=tmp_path)
    finally:
        postgres.thaw()

    assert said == "The database cannot be reached at DATABASE_URL (TimeoutError). Try again shortly."


def test_the_service_logs_once_why_it_answers_503(postgres: BreakablePostgres, tmp_path: Path) -> None:
    key = {"Authorization": f"Bearer {new_key().text}"}
    with serving(folder=tmp_path, module=TALKATIVE, **for_production(as_nobody(postgres.url))) as service:
        answers = [service.client.get("/talk/caller", headers=key).status_code for _ in range(3)]
        wait_until(lambda: len(service.named("request")) >= len(answers), what="the requests' lines")
        hindered = service.named("database_hindered")

    assert answers == [503] * 3
    assert [(line["level"], line["error"], line["cause"]) for line in hindered] == [
        ("warning", "DatabaseUnavailable", 'role "nobody" does not exist')
    ]
    assert PLANTED not in "".join(service.lines)
