"""The API reference pages and their files: own assets only, a nonce per request, nothing unlisted."""

import hashlib
import re
import tomllib
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.assembly.routes import add_routes
from app.web.api_reference.assets import ASSETS_FOLDER
from app.web.api_reference.pages import api_reference_router
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

PAGES = ["/docs", "/redoc"]
MANIFEST = tomllib.loads((ASSETS_FOLDER / "manifest.toml").read_text(encoding="utf-8"))
PACKAGES: list[dict[str, Any]] = MANIFEST["packages"]


async def asset_urls(service: RunningService, *paths: str) -> list[str]:
    pages = [(await service.client.get(path)).text for path in paths]
    return [url for page in pages for url in re.findall(r'(?:src|href)="(/[^"]+)"', page)]


def page_titled(title: str, *, root_path: str = "") -> str:
    """A page of an application of its own, for what one service can't be at once."""
    app = FastAPI(docs_url=None)
    add_routes(app, api_reference_router(title=title))
    return TestClient(app, root_path=root_path).get("/docs").text


@pytest.mark.parametrize("path", PAGES)
async def test_outside_production_the_api_reference_is_served(path: str, service: RunningService) -> None:
    page = await service.client.get(path)

    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(("enabled", "status"), [(None, 404), (True, 200)])
async def test_production_serves_it_only_when_asked(enabled: bool | None, status: int, database_url: str) -> None:
    settings = settings_for(database_url=database_url, environment="production", docs={"enabled": enabled})

    async with run_service(settings) as running:
        answers = [await running.client.get(path) for path in [*PAGES, "/openapi.json"]]

    assert [answer.status_code for answer in answers] == [status] * 3


@pytest.mark.parametrize("path", PAGES)
async def test_the_page_loads_nothing_from_other_hosts(path: str, service: RunningService) -> None:
    page = await service.client.get(path)

    without_comments = re.sub(" // .*", "", page.text)
    assert "//" not in without_comments
    urls = await asset_urls(service, path)
    assert [(await service.client.get(url)).status_code for url in urls] == [200] * len(urls) != []


@pytest.mark.parametrize("path", PAGES)
async def test_every_script_and_style_carries_the_nonce_of_the_policy(path: str, service: RunningService) -> None:
    page = await service.client.get(path)

    policy = page.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]{22})'; style-src 'nonce-\1'", policy)
    elements = re.findall(r"<(?:script|style|link rel=\"stylesheet\")[^>]*>", page.text)
    assert nonce is not None
    assert "unsafe" not in policy
    assert [element for element in elements if f'nonce="{nonce[1]}"' in element] == elements != []


@pytest.mark.parametrize("path", PAGES)
async def test_no_two_requests_share_a_nonce_and_no_cache_keeps_one(path: str, service: RunningService) -> None:
    first, second = await service.client.get(path), await service.client.get(path)

    assert first.headers["Content-Security-Policy"] != second.headers["Content-Security-Policy"]
    assert first.headers["Cache-Control"] == "no-store"


async def test_assets_are_kept_by_caches_for_ever_and_have_their_own_types(service: RunningService) -> None:
    assets = [await service.client.get(url) for url in await asset_urls(service, *PAGES)]

    types = {asset.headers["Content-Type"] for asset in assets}
    assert {asset.headers["Cache-Control"] for asset in assets} == {"public, max-age=31536000, immutable"}
    assert types == {"text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/png"}


@pytest.mark.parametrize("file", ["redoc/LICENSE", "redoc/missing.js", "redoc/..%2Fmanifest.toml"])
async def test_only_files_listed_in_the_manifest_are_served(file: str, service: RunningService) -> None:
    listed = (await asset_urls(service, "/redoc"))[0]

    response = await service.client.get(listed.replace("redoc/redoc.standalone.js", file))

    assert response.status_code == 404


async def test_an_asset_of_another_release_is_not_served_under_its_address(service: RunningService) -> None:
    response = await service.client.get("/docs/assets/0000000000000000/redoc/redoc.standalone.js")

    assert response.status_code == 404


async def test_the_pages_are_no_part_of_the_api(service: RunningService) -> None:
    document = (await service.client.get("/openapi.json")).json()

    assert [path for path in document["paths"] if path.startswith(tuple(PAGES))] == []


def test_a_title_is_text_and_never_markup() -> None:
    page = page_titled("""O'Brien "café" <b> & sons""")

    assert "<title>O&#x27;Brien &quot;café&quot; &lt;b&gt; &amp; sons</title>" in page


def test_behind_a_path_prefix_everything_is_loaded_under_that_prefix() -> None:
    page = page_titled("Shop", root_path="/shop")

    assert re.findall(r'(?:src|href|url)="(/[^/]+)/', page) == ["/shop"] * 4


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_the_vendored_files_are_those_of_the_manifest_with_their_licences(package: dict[str, Any]) -> None:
    folder = ASSETS_FOLDER / package["name"]
    files: dict[str, str] = package["files"]

    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files} == files
    assert {path.name for path in folder.iterdir()} == {*files, *package["licence_files"]}
    assert package["licence_files"]


def test_a_changed_file_differs_from_the_published_one_only_as_the_manifest_says() -> None:
    changes = [(package["name"], change) for package in PACKAGES for change in package.get("changes", [])]

    for name, change in changes:
        contents = (ASSETS_FOLDER / name / change["file"]).read_text(encoding="utf-8")
        for replaced in change["replaced"]:
            contents = contents.replace(replaced["ours"], replaced["published"])
        assert hashlib.sha256(contents.encode()).hexdigest() == change["published_sha256"]
