"""The API reference, drawn by a real browser: what it shows, and that no policy blocks anything of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.security.public import public
from tests.browser.chromium import OpenedPage, find_chromium, open_page
from tests.support.service import run_service
from tests.support.settings import settings_for

CHROMIUM = find_chromium()

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Google Chrome on this machine")

Browse = Callable[[str], Awaitable[OpenedPage]]

library = APIRouter(tags=["books"])


@library.get("/v1/books", summary="List every book", operation_id="listBooks")
@public
async def list_books(shelf: int = 1) -> list[str]:
    return []


@library.get("/blocked", include_in_schema=False)
@public
async def show_blocked_style() -> HTMLResponse:
    return HTMLResponse("<p style='color: red'>", headers={"Content-Security-Policy": "default-src 'self'"})


@pytest.fixture
async def browse(worker_database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Browse]:
    """Opens a page of the assembled service."""
    chromium = CHROMIUM or ""
    settings = settings_for(database_url=worker_database_url, redis_url=redis_url)
    async with run_service(settings, routers=[library]) as running:
        address = running.client.base_url
        # In a thread, because the service answers from this one.
        yield lambda path: asyncio.to_thread(open_page, str(address.join(path)), chromium=chromium, profile=tmp_path)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_page_shows_the_operations_and_its_policy_blocks_nothing(path: str, browse: Browse) -> None:
    page = await browse(path)

    assert "List every book" in page.document
    assert page.console == []


async def test_an_operation_of_swagger_ui_unfolds_under_the_policy(browse: Browse) -> None:
    page = await browse("/docs#/books/listBooks")

    assert "Try it out" in page.document
    assert page.console == []


async def test_a_blocked_style_would_be_noticed(browse: Browse) -> None:
    page = await browse("/blocked")

    assert "Content Security Policy" in page.console[0]
