"""Who this service is: its name, its words for people, its version."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources


@dataclass(frozen=True)
class Identity:
    """The answers that the project was generated with."""

    name: str
    title: str
    description: str
    owner_name: str
    version: str

    @property
    def release(self) -> str:
        """The name of this build, as error tracking and logs show it."""
        return f"{self.name}@{self.version}"

    @property
    def key_prefix(self) -> str:
        """What stands in front of all that the service has in Redis, in the same way in all its processes."""
        return f"{self.name}:"


@cache
def service_identity() -> Identity:
    """Read `identity.toml`, once."""
    text = resources.files("app").joinpath("identity.toml").read_text(encoding="utf-8")
    return Identity(**tomllib.loads(text), version=metadata.version("app"))
