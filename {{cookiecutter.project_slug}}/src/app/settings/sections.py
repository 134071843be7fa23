"""Every setting: its type, its default, its meaning.

A variable's name is the section and the field in upper case: `DATABASE_POOL_SIZE` is
`settings.database.pool_size`. All of them are listed in `.env.example`.
"""

from functools import reduce
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.settings import sources
from app.settings.types import (
    Bytes,
    DatabaseAddress,
    Days,
    Dsn,
    Hosts,
    Hours,
    Level,
    Origins,
    PartnerAddress,
    PartnerKey,
    PoolSize,
    Port,
    Proxies,
    RateText,
    RedisAddress,
    Requests,
    Seconds,
    StallSeconds,
    TimeLimit,
)


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True)


class PartnerSection(Section):
    """Another service that we call; a section that is one of these is a client under the section's name.

    The key is sent as a bearer token, to this address only. Without an address the partner counts as unavailable.
    """

    url: PartnerAddress | None = None
    api_key: PartnerKey | None = None
    tls: Literal["off"] | None = None


class Body(Section):
    """What a caller may send. A route that takes more says so: `max_body_size` in its decorator."""

    limit_bytes: Bytes = 1_048_576
    timeout_seconds: TimeLimit = 20.0


class Cache(Section):
    """What one process remembers of answers and values, in all and of each at most."""

    memory_bytes: Bytes = 33_554_432
    value_bytes: Bytes = 262_144


class Cors(Section):
    """Which other web sites' pages may call this API from a browser."""

    origins: Origins = []


class Docs(Section):
    """The API reference. Unset means: everywhere but in production."""

    enabled: bool | None = None


class Idempotency(Section):
    """How long a request with an `Idempotency-Key` that is sent again gets its first answer."""

    keep_hours: Hours = 24


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
    # Shared by requests or jobs. Beside it: 2 for health checks, and in a worker 3 for the queue and 1 that listens.
    pool_size: PoolSize = 10
    pool_wait_seconds: Seconds = 2.0
    # Above every p95 target, below the patience of a caller.
    statement_timeout_seconds: Seconds = 5.0
    idle_transaction_timeout_seconds: Seconds = 15.0


class Overload(Section):
    """At most `max_requests` are worked on at once, fewer when they wait for each other; some more stand in line."""

    max_requests: Requests = 1000
    queue_seconds: Seconds = 0.04


class Rate(Section):
    """How often may be called: by one caller, from one address, and with keys that are not valid."""

    limit_default: RateText = "600/minute"
    limit_address: RateText = "3000/minute"
    limit_refused: RateText = "60/minute"


class Redis(Section):
    """Optional: unset, nothing asks for it; set and not reachable, the service is degraded and goes on."""

    url: RedisAddress | None = None
    timeout_seconds: TimeLimit = 0.5
    pool_size: PoolSize = 20  # and one more, which listens to other processes


class Jobs(Section):
    """The worker. A job runs again when its worker has given no sign of life for `stalled_seconds`."""

    concurrency: PoolSize = 10
    stalled_seconds: StallSeconds = 30.0
    keep_days: Days = 7


class Request(Section):
    """How long an answer may take to begin. A caller may shorten it with `X-Request-Timeout`."""

    timeout_seconds: TimeLimit = 10.0


class Sentry(Section):
    """Error tracking. Without a DSN the library is not even imported."""

    dsn: Dsn | None = None
    environment: str | None = None
    release: str | None = None


class Shutdown(Section):
    """When asked to end: report not ready, wait for load balancers to notice, then finish what is in flight."""

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
    allowed_hosts: Hosts = ["*"]
    trusted_proxies: Proxies = []
    body: Body = Body()
    cache: Cache = Cache()
    cors: Cors = Cors()
    docs: Docs = Docs()
    idempotency: Idempotency = Idempotency()
    jobs: Jobs = Jobs()
    log: Log = Log()
    management: Management = Management()
    database: Database = Database()
    overload: Overload = Overload()
    rate: Rate = Rate()
    redis: Redis = Redis()
    request: Request = Request()
    sentry: Sentry = Sentry()
    shipping: PartnerSection = PartnerSection()  # option: example
    payments: PartnerSection = PartnerSection()  # option: example
    shutdown: Shutdown = Shutdown()

    @property
    def is_production(self) -> bool:
        """Whether real callers depend on this process."""
        return self.environment == "production"

    @property
    def partners(self) -> dict[str, PartnerSection]:
        """Every section that describes one, by its name."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: section for name, section in sections.items() if isinstance(section, PartnerSection)}

    @property
    def shows_docs(self) -> bool:
        """Whether the API reference is served."""
        return not self.is_production if self.docs.enabled is None else self.docs.enabled

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by our own
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by our own
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by our own
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Code before environment before files before `.env`."""
        return (init_settings, *sources.variables(settings_cls, names=known_names()))


def places() -> dict[str, tuple[str, ...]]:
    """The name of every variable that we read, and where in the settings its value stands."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            found |= {f"{name}_{inner}".upper(): (name, inner) for inner in section.model_fields}
        else:
            found[name.upper()] = (name,)
    return found


def known_names() -> frozenset[str]:
    """The name of every variable that we read."""
    return frozenset(places())


def value_of(settings: Settings, name: str) -> Any:  # Any: values of every type
    """The value of one variable."""
    return reduce(getattr, places()[name], settings)
