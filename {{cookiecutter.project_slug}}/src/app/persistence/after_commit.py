"""What is to be done when a transaction is committed, and not if it is rolled back."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.resilience.deadline import suspended

log = structlog.get_logger()

Action = Callable[[], Awaitable[None]]

ACTIONS = "app.after_commit"


def after_commit(session: AsyncSession, action: Action) -> None:
    """Do it after the commit and before the caller is answered: something short, at most once.

    If it fails the change stands all the same, so that is logged, and told nobody.
    """
    session.info.setdefault(ACTIONS, []).append(action)


async def run_actions(session: AsyncSession) -> None:
    """Those of a session that is committed. Nothing cuts them off: nobody would do the rest."""
    actions: Sequence[Action] = session.info.pop(ACTIONS, ())
    with suspended():
        for action in actions:
            await run(action)


async def run(action: Action) -> None:
    try:
        await action()
    except Exception:
        log.exception("after_commit_failed")
