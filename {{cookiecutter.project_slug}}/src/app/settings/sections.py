"""Every setting: its type, its default, its meaning.

A variable's name is the section and the field in upper case: `DATABASE_POOL_SIZE` is
`settings.database.pool_size`. All of them are listed in `.env.example`.
"""

from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.persistence.database_url import DatabaseURL
from app.settings import sources

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]

REDIS_SCHEMES = ("redis", "rediss", "unix")


def split_at_commas(value: str | list[str]) -> list[str]:
    """`a, b` as people write it in one variable."""
    items = value.split(",") if isinstance(value, str) else value
    return [item.strip() for item in items if item.strip()]


def checked_database_url(value: str) -> str:
    """Refuse a URL that could never work while there is somebody to read the message."""
    DatabaseURL.parse(value)
    return value


def checked_redis_url(value: str) -> str:
    """Refuse what Redis' client would refuse later, with a stack trace."""
    parts = split_url(value)
    if parts.scheme not in REDIS_SCHEMES or not (parts.netloc or parts.path):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return value


def checked_dsn(value: str) -> str:
    """Refuse what Sentry's client would refuse later, with a stack trace."""
    parts = split_url(value)
    if parts.scheme not in {"http", "https"} or not (parts.username and parts.hostname and parts.path.strip("/")):
        raise ValueError("must look like https://KEY@HOST/PROJECT")
    return value


def split_url(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        # The library's words may quote a part of the password.
        raise ValueError("is not a URL; percent-encode special characters in the password") from error
    return parts


Names = Annotated[list[str], NoDecode, BeforeValidator(split_at_commas)]
DatabaseAddress = Annotated[SecretStr, BeforeValidator(checked_database_url)]
RedisAddress = Annotated[SecretStr, BeforeValidator(checked_redis_url)]
Dsn = Annotated[SecretStr, BeforeValidator(checked_dsn)]


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True)


class Cors(Section):
    """Which other web sites' pages may call this API from a browser."""

    origins: Names = []


class Docs(Section):
    """The API reference. Unset means: everywhere but in production."""

    enabled: bool | None = None


class Log(Section):
    """`auto` is JSON unless a person watches a terminal."""

    level: Level = "INFO"
    format: Literal["auto", "json", "console"] = "auto"


class Management(Section):
    """The operators' port: metrics and health. Never publish it."""

    port: Port = 9000


class Database(Section):
    """PostgreSQL. A statement time-out of 0 means none."""

    url: DatabaseAddress | None = None
    tls: Literal["off"] | None = None
    pool_size: Annotated[int, Field(ge=1, le=500)] = 10
    pool_wait_seconds: Seconds = 2.0
    # Above every p95 target, below the patience of a caller.
    statement_timeout_seconds: Seconds = 5.0
    idle_transaction_timeout_seconds: Seconds = 15.0


class Redis(Section):
    """Optional: without it the service runs degraded."""

    url: RedisAddress | None = None
    timeout_seconds: Seconds = 0.5
    pool_size: Annotated[int, Field(ge=1, le=500)] = 20


class Sentry(Section):
    """Error tracking. Without a DSN the library is not even imported."""

    dsn: Dsn | None = None
    environment: str | None = None
    release: str | None = None


class Shutdown(Section):
    """On SIGTERM: report not ready, wait for load balancers to notice, then finish what is in flight."""

    delay_seconds: Seconds = 0.0
    grace_seconds: Seconds = 20.0


class Settings(BaseSettings):
    """Everything that can differ between two runs of the same code."""

    model_config = SettingsConfigDict(env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="ignore")

    environment: Literal["development", "test", "staging", "production"] = "development"
    debug: bool = False
    host: str = "127.0.0.1"
    port: Port = 8000
    secret_key: SecretStr | None = None
    allowed_hosts: Names = ["*"]
    trusted_proxies: Names = []
    cors: Cors = Cors()
    docs: Docs = Docs()
    log: Log = Log()
    management: Management = Management()
    database: Database = Database()
    redis: Redis = Redis()
    sentry: Sentry = Sentry()
    shutdown: Shutdown = Shutdown()

    @property
    def is_production(self) -> bool:
        """Whether real callers depend on this process."""
        return self.environment == "production"

    @property
    def shows_docs(self) -> bool:
        """Whether the API reference is served."""
        return not self.is_production if self.docs.enabled is None else self.docs.enabled

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Code before environment before files before `.env`."""
        return (init_settings, *sources.variables(settings_cls, names=known_names()))


def known_names() -> frozenset[str]:
    """The name of every variable that we read."""
    names = set[str]()
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            names |= {f"{name}_{inner}".upper() for inner in section.model_fields}
        else:
            names.add(name.upper())
    return frozenset(names)
