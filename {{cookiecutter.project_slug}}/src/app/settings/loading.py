"""Reads the settings, and refuses with one message that lists everything that is wrong."""

import os
from typing import Any

import structlog
from pydantic import ValidationError

from app.core.configuration_error import ConfigurationError
from app.settings import sources
from app.settings.near_misses import near_misses, unknown_variables
from app.settings.production import unsafe
from app.settings.sections import Section, Settings, known_names

log = structlog.get_logger()


def load_settings() -> Settings:
    """The settings of this process. Raises `ConfigurationError`."""
    settings, problems = read()
    problems += [*sources.missing_files(known_names()), *sources.misplaced_environment(), *contradictions(settings)]
    if settings.is_production:
        suspects = [f"{name} is not a setting: did you mean {guess}?" for name, guess in find_near_misses().items()]
        problems += [*unmentioned(unsafe(settings), problems), *suspects]
    if problems:
        raise ConfigurationError(problems)
    return settings


def contradictions(settings: Settings) -> list[str]:
    """A sentence for each two values that cannot both hold."""
    is_shared = settings.port == settings.management.port != 0
    return ["PORT and MANAGEMENT_PORT are the same: give them different ports."] if is_shared else []


def unmentioned(problems: list[str], before: list[str]) -> list[str]:
    """Those about other variables: an unusable value stands as a default here, and is not missing as well."""
    mentioned = {problem.partition(" ")[0].rstrip(":") for problem in before}
    return [problem for problem in problems if problem.partition(" ")[0] not in mentioned]


def warn_about_variables(settings: Settings) -> None:
    """Log what looks like a setting and is none. Called once logging is set up."""
    guesses = {} if settings.is_production else find_near_misses()
    for name, guess in guesses.items():
        log.warning("setting_misspelled", variable=name, did_you_mean=guess)
    for name in unknown_variables(all_variables(), known_names()):
        if name not in guesses:
            log.warning("setting_unknown", variable=name)


def find_near_misses() -> dict[str, str]:
    return near_misses(all_variables(), known_names())


def all_variables() -> dict[str, str]:
    """Wherever somebody may have misspelled one."""
    return {**sources.dotenv_file(), **os.environ}


def read() -> tuple[Settings, list[str]]:
    """The settings, with the default in place of each unusable value, and a sentence for each of those.

    Going on with defaults lets the other rules be checked, so that one message lists everything.
    """
    try:
        return Settings(), []
    except ValidationError as error:
        places = [tuple(map(str, detail["loc"][:2])) for detail in error.errors()]
        # Only the library's message: the value itself may be a secret.
        messages = [detail["msg"].removeprefix("Value error, ") for detail in error.errors()]
        problems = [f"{'_'.join(place).upper()}: {text}." for place, text in zip(places, messages, strict=True)]
        return Settings(**defaults_at(places)), problems


def defaults_at(places: list[tuple[str, ...]]) -> dict[str, Any]:  # Any: defaults of every type
    """The defaults of the given settings, nested as their sections are."""
    defaults: dict[str, Any] = {}
    for name, *inner in places:
        default = Settings.model_fields[name].get_default()
        if isinstance(default, Section):
            defaults.setdefault(name, {})[inner[0]] = getattr(default, inner[0])
        else:
            defaults[name] = default
    return defaults
