"""Compares this release's revisions with those that a database has."""

from collections.abc import Iterable

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def applied_revisions(connection: Connection) -> tuple[str, ...]:
    """What the database says it has: the last revision of each branch."""
    return MigrationContext.configure(connection).get_current_heads()


def missing_heads(scripts: ScriptDirectory, applied: Iterable[str]) -> list[str]:
    """The heads of this release that the database lacks.

    A revision that this release does not know was written by a newer one. It stands for a branch
    whose head we cannot see in the table any more, so a head is missing only if the table still
    holds an older revision of its branch, or if there is nothing newer that could include it.
    """
    applied = set(applied)
    newer = unknown_revisions(scripts, applied)
    included = ancestors(scripts, applied)
    missing = [head for head in scripts.get_heads() if head not in included]
    return [head for head in missing if not newer or is_overtaken(scripts, head, applied)]


def is_overtaken(scripts: ScriptDirectory, head: str, applied: set[str]) -> bool:
    """Whether the database holds an older revision of the head's own branch."""
    labels = scripts.get_revision(head).branch_labels
    # Going down to the base passes what the branch depends on too; those are not of the branch.
    older = {script.revision for script in scripts.iterate_revisions(head, "base") if script.branch_labels == labels}
    return bool(older & applied)


def unknown_revisions(scripts: ScriptDirectory, applied: Iterable[str]) -> list[str]:
    """Revisions that this release does not have."""
    known = {script.revision for script in scripts.walk_revisions()}
    return sorted(set(applied) - known)


def ancestors(scripts: ScriptDirectory, applied: Iterable[str]) -> set[str]:
    """The applied revisions, all that came before them and all that they depend on."""
    found: set[str] = set()
    pending = [script for script in scripts.walk_revisions() if script.revision in set(applied)]
    while pending:
        script = pending.pop()
        found.add(script.revision)
        before = (*as_names(script.down_revision), *as_names(script.dependencies))
        pending += [scripts.get_revision(name) for name in before]
    return found


def as_names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Alembic writes one name as a string, several as a tuple and none as None."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
