"""Folders of migrations as other releases would have them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.persistence import migrations
from tests.support.databases import execute

# Its own sentence, so that nothing depends on what the release's revisions contain.
REVISION = '''"""{revision}."""

from alembic import op

revision = {revision!r}
down_revision = {after!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    op.execute("CREATE TABLE {revision} (id int PRIMARY KEY)")


def downgrade() -> None:
    op.execute("DROP TABLE {revision}")
'''


def overtake(url: str, revisions: Sequence[str]) -> None:
    """Leave the table as a newer release would: its revision stands in place of the older one of its branch."""
    if "service_9999" in revisions:
        execute(url, "DELETE FROM alembic_version")
    write_down(url, revisions)


def write_down(url: str, revisions: Sequence[str]) -> None:
    """As if they had been run."""
    execute(url, *(f"INSERT INTO alembic_version VALUES ('{revision}')" for revision in revisions))  # noqa: S608 - our own words


class Release:
    """A copy of this release's migrations, to which revisions can be added or taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "migrations"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(migrations.FOLDER, self.folder, ignore=ignored)
        shutil.copy(migrations.FOLDER.parent / "alembic.ini", folder)

    def head(self, branch: str) -> str:
        """The last revision of a branch."""
        scripts = self.scripts
        [head] = [str(head) for head in scripts.get_heads() if branch in scripts.get_revision(head).branch_labels]
        return head

    @property
    def scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self.config)

    @property
    def config(self) -> Config:
        config = Config(self.folder.parent / "alembic.ini")
        config.set_main_option("script_location", self.folder.as_posix())
        return config

    def add(self, revision: str, *, branch: str, depends_on: str | None = None) -> "Release":
        """A revision at the end of a branch."""
        self.write(revision, branch=branch, after=self.head(branch), labels=None, depends_on=depends_on)
        return self

    def begin(self, revision: str, *, branch: str, depends_on: str | None) -> None:
        """The first revision of a branch."""
        self.write(revision, branch=branch, after=None, labels=(branch,), depends_on=depends_on)

    def write(self, revision: str, *, branch: str, **facts: object) -> None:
        path = self.folder / branch / f"{revision}.py"
        path.write_text(REVISION.format(revision=revision, **facts), encoding="utf-8")

    def edit(self, revision: str, *, old: str, new: str) -> None:
        """Let it do something else."""
        path = Path(self.scripts.get_revision(revision).path)
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def without(self, revision: str) -> "Release":
        """Take away one of the last revisions."""
        Path(self.scripts.get_revision(revision).path).unlink()
        return self

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let `app migrate` and the health check take it for their own."""
        patch.setattr(migrations, "FOLDER", self.folder)
