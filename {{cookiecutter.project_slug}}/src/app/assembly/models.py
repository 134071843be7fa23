"""Every table of the service, for migrations to compare with. A new feature adds its lines here."""

from sqlalchemy import MetaData

from app.features.orders import models as orders  # option: example
from app.persistence.models import Model
from app.security.models import ApiKey
from app.web.idempotency.models import StoredAnswer

# An import alone would look unused, and a table that is missing here looks to Alembic as if it should be dropped.
MODELS: list[type[Model]] = [
    Model,
    ApiKey,
    StoredAnswer,
    orders.Order,  # option: example
]

METADATA: MetaData = Model.metadata
