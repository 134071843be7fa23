"""Each test finds its database empty, whatever the tests before it have left there."""

import asyncio

import pytest

from app.core.ids import new_id
from tests.support.callers import key_for
from tests.support.databases import fetch
from tests.support.settings import settings_for


def test_what_a_service_of_a_whole_module_has_left_is_gone(
    worker_database_url: str, request: pytest.FixtureRequest
) -> None:
    asyncio.run(key_for(settings_for(database_url=worker_database_url), "doors:pass", tenant=new_id()))

    url = request.getfixturevalue("database_url")

    assert asyncio.run(fetch(url, "SELECT count(*) FROM api_keys")) == [0]
