"""The call that says which release is live and how old its weights are."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Depends
from starlette.responses import Response

from cron.lineage import Release
from gateway.bodies.release import ReleaseAnswer
from gateway.http.access import UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import answer, refusals

router = APIRouter(
    prefix="/v1",
    tags=["answers"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)


@router.get(
    "/release",
    responses={
        **answer(
            200,
            "The live release.",
            release=ReleaseAnswer(
                model_version=3, trained_at="2026-03-01T12:00:00+00:00", age_s=74.2
            ),
        ),
        **refusals(400, 401, 403),
    },
)
def show_release(services: UseServices) -> Response:
    """Return the live release and the age of its weights, for a line on the shop's page."""
    return json_response(release_answer(services.live.get(), now=datetime.now(UTC)))


def release_answer(live: Release | None, *, now: datetime) -> ReleaseAnswer:
    """Return the body; a clock that is behind the trainer's makes the age 0."""
    if live is None:
        return ReleaseAnswer(model_version=None, trained_at=None, age_s=None)
    trained_at = live.manifest.created_at
    age_s = max(0.0, (now - trained_at).total_seconds())
    return ReleaseAnswer(
        model_version=live.version, trained_at=trained_at.isoformat(), age_s=round(age_s, 1)
    )
