"""Callers of orders."""

from uuid import UUID

import httpx2
import pytest

from app.core.ids import new_id
from tests.support.service import RunningService


@pytest.fixture
def tenant() -> UUID:
    return new_id()


@pytest.fixture
async def caller(service: RunningService, tenant: UUID) -> httpx2.AsyncClient:
    """May read and write the tenant's orders."""
    return await service.client_for("orders:read", "orders:write", tenant=tenant)


@pytest.fixture
async def reader(service: RunningService, tenant: UUID) -> httpx2.AsyncClient:
    """May only read them."""
    return await service.client_for("orders:read", tenant=tenant)


@pytest.fixture
async def stranger(service: RunningService) -> httpx2.AsyncClient:
    """May read and write the orders of another tenant."""
    return await service.client_for("orders:read", "orders:write", tenant=new_id())
