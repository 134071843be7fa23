"""`make migration` writes one tidy revision from the models, and refuses when there is nothing to write."""

import sys
from pathlib import Path

import pytest

from tests.end_to_end.checkout import Checkout

COMMAND = (sys.executable, "-m", "development.migration")
REFUSAL = "Nothing changed between models and migrations"

# Nobody listens there: whoever asks this database gets no answer.
NOBODYS_DATABASE = "postgresql://app@127.0.0.1:9/app"

MODEL = """from sqlalchemy.orm import Mapped

from app.persistence.models import Model


class Parcel(Model):
    __tablename__ = "parcels"

    weight_grams: Mapped[int]
"""

# What goes before which lines of assembly/models.py.
LISTED = {
    "from app.persistence.models import Model\n": "from app.features.parcels import models as parcels\n",
    "    Model,\n": "    parcels.Parcel,\n",
}


def test_a_new_model_becomes_one_tidy_revision_whatever_database_is_set(checkout: Checkout) -> None:
    before = revisions(checkout)
    add_a_feature(checkout)

    written = checkout.run(*COMMAND, "add parcels", DATABASE_URL=NOBODYS_DATABASE)

    assert written.returncode == 0, written.stderr
    (revision,) = revisions(checkout) - before
    assert "add_parcels" in revision.name
    assert revision.read_text().count('sa.Column("weight_grams", sa.Integer(), nullable=False)') == 1
    assert complaints(checkout, "ruff", "check", str(revision)) == ""
    assert complaints(checkout, "ruff", "format", "--check", str(revision)) == ""
    assert not (checkout.folder / ".env").exists()


def test_a_new_column_becomes_a_revision_and_a_second_call_is_refused(checkout: Checkout) -> None:
    models = add_a_feature(checkout)
    checkout.run(*COMMAND, "add parcels")
    models.write_text(models.read_text() + "    is_fragile: Mapped[bool]\n")
    before = revisions(checkout)

    first = checkout.run(*COMMAND, "add fragility")
    second = checkout.run(*COMMAND, "add it again")

    assert first.returncode == 0, first.stderr
    (revision,) = revisions(checkout) - before
    assert 'op.add_column("parcels", sa.Column("is_fragile", sa.Boolean(), nullable=False))' in revision.read_text()
    assert "weight_grams" not in revision.read_text()
    assert second.returncode == 1
    assert second.stderr.startswith(REFUSAL)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_revision_without_a_name_is_refused(checkout: Checkout, name: str) -> None:
    refused = checkout.run(*COMMAND, name)

    assert refused.returncode == 2
    assert "say what changes" in refused.stderr


def add_a_feature(checkout: Checkout) -> Path:
    """A feature with a table, listed as docs say; returns the file of its model."""
    package = checkout.folder / "src" / "app" / "features" / "parcels"
    package.mkdir()
    (package / "__init__.py").write_text('"""Parcels."""\n')
    (package / "models.py").write_text(MODEL)
    list_of_models = checkout.folder / "src" / "app" / "assembly" / "models.py"
    text = list_of_models.read_text()
    for before, added in LISTED.items():
        assert before in text
        text = text.replace(before, added + before, 1)
    list_of_models.write_text(text)
    return package / "models.py"


def revisions(checkout: Checkout) -> set[Path]:
    return set((checkout.folder / "migrations").glob("*/*.py"))


def complaints(checkout: Checkout, *command: str) -> str:
    """What a tool says when it fails."""
    ran = checkout.run(sys.executable, "-m", *command)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr
