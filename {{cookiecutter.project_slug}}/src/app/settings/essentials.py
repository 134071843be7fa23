"""What nothing can run without, in any environment."""

from dataclasses import dataclass

from app.core.configuration_error import ConfigurationError
from app.persistence.database_url import DatabaseURL
from app.settings.sections import Settings


@dataclass(frozen=True)
class Essentials:
    """Values that are surely there."""

    database_url: DatabaseURL
    secret_key: bytes


def essentials(settings: Settings) -> Essentials:
    """Raises `ConfigurationError` that lists what is missing."""
    url, key = settings.database.url, settings.secret_key
    if url is None or key is None:
        missing = {"DATABASE_URL": url, "SECRET_KEY": key}
        raise ConfigurationError(
            [f"{name} is not set: set it, or let `make run` do it." for name, value in missing.items() if value is None]
        )
    return Essentials(DatabaseURL.parse(url.get_secret_value()), key.get_secret_value().encode())
