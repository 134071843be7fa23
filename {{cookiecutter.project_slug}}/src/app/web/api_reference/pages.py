"""Serving Swagger UI at `/docs` and ReDoc at `/redoc`: no CDN, and a strict policy with a nonce per request."""

import html
from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse

from app.security.public import public
from app.web.api_reference.assets import VendoredAssets, read_vendored_assets
from app.web.content_security_policy import new_nonce, page_policy

# Both libraries draw small icons from data: addresses; ReDoc runs its search in a worker made from a blob.
ALLOWED = {"img_src": "'self' data:", "connect_src": "'self'", "worker_src": "blob:"}

# Left to the operating system, the type of a .js file differs from machine to machine.
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}

ONE_YEAR_IMMUTABLE = "public, max-age=31536000, immutable"


def api_reference_router(*, title: str) -> APIRouter:
    """The two pages and their files, ready to be included in an application that serves `/openapi.json`."""
    assets = read_vendored_assets()
    router = APIRouter(include_in_schema=False)
    for path, template in (("/docs", "swagger_ui.html"), ("/redoc", "redoc.html")):
        endpoint = page_endpoint(template, title=title, fingerprint=assets.fingerprint)
        router.add_api_route(path, public(endpoint), response_class=HTMLResponse)
    router.add_api_route("/docs/assets/{fingerprint}/{package}/{name}", public(asset_endpoint(assets)))
    return router


def page_endpoint(template_name: str, *, title: str, fingerprint: str) -> Callable[[Request], Awaitable[HTMLResponse]]:
    template = Template(Path(__file__).with_name(template_name).read_text(encoding="utf-8"))

    async def show_page(request: Request) -> HTMLResponse:
        nonce = new_nonce()
        base = request.scope.get("root_path", "").rstrip("/")
        values = {
            "title": title,
            "openapi_url": f"{base}/openapi.json",
            "assets": f"{base}/docs/assets/{fingerprint}",
            "nonce": nonce,
        }
        page = template.substitute({name: html.escape(value) for name, value in values.items()})
        policy = page_policy(nonce, **ALLOWED)
        return HTMLResponse(page, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})

    return show_page


def asset_endpoint(assets: VendoredAssets) -> Callable[[str, str, str], Awaitable[FileResponse]]:
    async def serve_asset(fingerprint: str, package: str, name: str) -> FileResponse:
        path = assets.find(f"{package}/{name}", fingerprint=fingerprint)
        if path is None:
            raise HTTPException(status_code=404)
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers={"Cache-Control": ONE_YEAR_IMMUTABLE})

    return serve_asset
