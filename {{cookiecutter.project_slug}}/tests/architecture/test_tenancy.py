"""Whose rows they are is written on every row of the business."""

from app.assembly.models import METADATA
from app.persistence.models import Model, Owned


def test_every_table_of_a_feature_says_whose_its_rows_are() -> None:
    assert METADATA is Model.metadata  # importing it has loaded every model
    business = [
        mapper.class_ for mapper in Model.registry.mappers if mapper.class_.__module__.startswith("app.features.")
    ]

    assert [model.__name__ for model in business if not issubclass(model, Owned)] == [], "let them inherit from Owned"
