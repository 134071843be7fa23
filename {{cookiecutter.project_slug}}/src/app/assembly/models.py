"""Every table of the service, for migrations to compare with. A new feature adds its line here."""

from sqlalchemy import MetaData

from app.persistence.models import Model

METADATA: MetaData = Model.metadata
