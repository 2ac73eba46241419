"""`/docs`: Swagger UI on `/openapi.json`, all of it served from here.

The wheel `fastapi-swagger` brings Swagger UI's files. `gateway/static` has the page and the script
that starts it, so the page needs no inline script.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse, Response

router = APIRouter(include_in_schema=False)

_STATIC = Path(__file__).parent.with_name("static")
_WHEEL = "fastapi_swagger.resources"
# Swagger UI sets style attributes, and its icons are data: URLs
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
    "docs.js": "text/javascript",
}


@router.get("/docs")
def docs_page() -> Response:
    """Return the page."""
    headers = {"Content-Security-Policy": _POLICY}
    return Response((_STATIC / "docs.html").read_bytes(), media_type="text/html", headers=headers)


@router.get("/docs/{asset}")
def docs_asset(asset: str) -> Response:
    """Return one of the page's files."""
    if asset not in _MEDIA_TYPES:
        raise HTTPException(404)
    with resources.as_file(resources.files(_WHEEL)) as folder:
        file = (_STATIC if asset == "docs.js" else folder) / asset
    return FileResponse(
        file, media_type=_MEDIA_TYPES[asset], headers={"Cache-Control": "max-age=3600"}
    )
