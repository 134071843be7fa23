"""The only reader of the environment."""

from app.core.configuration_error import ConfigurationError
from app.settings.essentials import essentials
from app.settings.loading import load_settings
from app.settings.sections import Settings

__all__ = ["ConfigurationError", "Settings", "essentials", "load_settings"]
