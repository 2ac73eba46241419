"""What browsers load: the snippet for a shop's pages, its types, and the demo shop."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

router = APIRouter(include_in_schema=False)

_STATIC = Path(__file__).parent.with_name("static")
# a shop's pages name the file without a version, so a change must arrive within the hour
_CACHED = {"Cache-Control": "public, max-age=3600"}
# the shop has its style in the page, and calls nothing but this gateway
_SHOP_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@router.get("/freshet.js")
def snippet() -> FileResponse:
    """Return the snippet."""
    return FileResponse(_STATIC / "freshet.js", media_type="text/javascript", headers=_CACHED)


@router.get("/freshet.d.ts")
def snippet_types() -> FileResponse:
    """Return the snippet's types in TypeScript."""
    return FileResponse(_STATIC / "freshet.d.ts", media_type="text/plain", headers=_CACHED)


@router.get("/freshet-api.d.ts")
def api_types() -> FileResponse:
    """Return the types of all bodies and answers in TypeScript."""
    return FileResponse(_STATIC / "freshet-api.d.ts", media_type="text/plain", headers=_CACHED)


@router.get("/shop")
def shop_page() -> FileResponse:
    """Return the demo shop."""
    headers = {"Content-Security-Policy": _SHOP_POLICY, "Cache-Control": "no-cache"}
    return FileResponse(_STATIC / "shop.html", media_type="text/html", headers=headers)


@router.get("/shop.js")
def shop_script() -> FileResponse:
    """Return the demo shop's script."""
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(_STATIC / "shop.js", media_type="text/javascript", headers=headers)
