"""What production refuses to start with. Each rule is a sentence that says what to do."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.persistence.database_url import DatabaseURL
from app.settings.sections import Settings

SHORTEST_SECRET = 32
FEWEST_CHARACTERS = 10
DEFAULT_WORDS = ("change", "default", "example", "secret", "password", "insecure", "development")
DEFAULT_PASSWORDS = frozenset({"", "admin", "app", "changeme", "changethis", "password", "postgres", "root", "secret"})


def unsafe(settings: Settings) -> list[str]:
    """Everything that must not reach production, all of it at once."""
    rules = (
        unsafe_secret_key,
        unsafe_debug,
        unsafe_hosts,
        unsafe_origins,
        unsafe_proxies,
        unsafe_database,
        unsafe_partners,
    )
    return [problem for rule in rules for problem in rule(settings)]


def unsafe_secret_key(settings: Settings) -> Iterator[str]:
    if settings.secret_key is None:
        yield "SECRET_KEY is not set: use the output of `openssl rand -hex 32`."
    elif is_weak(settings.secret_key):
        yield "SECRET_KEY is short, repetitive or a default: use the output of `openssl rand -hex 32`."


def is_weak(secret: SecretStr) -> bool:
    """Too short to be random, too uniform, or a word that somebody meant to replace."""
    value = secret.get_secret_value()
    is_random_enough = len(value) >= SHORTEST_SECRET and len(set(value)) >= FEWEST_CHARACTERS
    return not is_random_enough or any(word in value.lower() for word in DEFAULT_WORDS)


def unsafe_debug(settings: Settings) -> Iterator[str]:
    if settings.debug:
        yield "DEBUG is on: unset it, it writes variables into the log."


def unsafe_hosts(settings: Settings) -> Iterator[str]:
    if not settings.allowed_hosts or "*" in settings.allowed_hosts:
        yield "ALLOWED_HOSTS allows every host: list the names that callers use, such as api.example.com."


def unsafe_origins(settings: Settings) -> Iterator[str]:
    if "*" in settings.cors.origins:
        yield "CORS_ORIGINS allows every web site: list the origins of your own pages, or leave it empty."


def unsafe_proxies(settings: Settings) -> Iterator[str]:
    if "*" in settings.trusted_proxies:
        yield "TRUSTED_PROXIES trusts everybody: list the addresses or networks of your proxies."


def unsafe_database(settings: Settings) -> Iterator[str]:
    if settings.database.url is None:
        yield "DATABASE_URL is not set: use postgresql://USER:PASSWORD@HOST/NAME?sslmode=verify-full."
        return
    url = DatabaseURL.parse(settings.database.url.get_secret_value())
    if url.has_password and url.password in DEFAULT_PASSWORDS:
        yield "DATABASE_URL has a default password: give the database's user one of its own."
    if url.is_plaintext_remote and settings.database.tls != "off":
        yield "DATABASE_URL may send data in the clear: add sslmode=verify-full, or set DATABASE_TLS=off on purpose."


def unsafe_partners(settings: Settings) -> Iterator[str]:
    for name, partner in settings.partners.items():
        if partner.url and partner.api_key and is_plaintext_remote(partner.url) and partner.tls != "off":
            tls = f"{name}_TLS".upper()
            yield f"{name.upper()}_URL sends a key in the clear: use https://, or set {tls}=off on purpose."


def is_plaintext_remote(url: str) -> bool:
    """Whether others may read along."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}
