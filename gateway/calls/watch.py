"""The calls for people and their monitors: status page and its JSON, liveness, readiness, metrics.

Knows HTTP; what the figures mean is in `cron.metrics.overview` and `gateway.metrics`.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from cron.metrics.overview import to_json
from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.model.inference import NoAnswer

router = APIRouter()

_PAGE = Path(__file__).parent.with_name("static") / "status.html"
# the page holds its own script and style, and loads and sends nothing elsewhere
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


@router.get("/", include_in_schema=False)
def status_page() -> Response:
    """Show the status page; it asks `/v1/status` for what it shows."""
    return Response(
        _PAGE.read_bytes(), media_type="text/html", headers={"Content-Security-Policy": _POLICY}
    )


@router.get("/v1/status", dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)])
def status(services: UseServices) -> Response:
    """Say what is live, how fresh, how good, what waits and what runs."""
    inference = services.inference
    return json_response(
        to_json(services.overviews.look())
        | {"endpoint": inference.url, "in_service": inference.in_service()}
    )


@router.get("/metrics", dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)])
def metrics(services: UseServices) -> Response:
    """Give all figures in Prometheus' text format."""
    return Response(services.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/healthz")
async def alive() -> Response:
    """Say that this process answers."""
    return json_response({"status": "alive"})


@router.get("/readyz")
async def ready(services: UseServices) -> Response:
    """Say whether a live model answers: 200 with its version, or 503 with the reason."""
    answer = await services.readiness.ask()
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise NoAnswer(f"the live model answered {answer.status} to a plain question")
    return json_response({"status": "ready", "model_version": answer.body.get("model_version")})
