"""The calls of editors: list texts about items, and pin, edit, ban or undo one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from copywriter.templates.template import from_template
from copywriter.verifier.check import check
from copywriter.verifier.verdict import Violation
from cron.copy_errors import UnknownCopy
from cron.ledger import copy_rows
from cron.ledger.copy_rows import StoredCopy
from gateway.bodies.copy_texts import (
    CopyDecisionAnswer,
    CopyDecisionBody,
    CopyObjection,
    CopyText,
    CopyTextList,
    RejectedCopy,
)
from gateway.content.typed_bodies import parse_body
from gateway.errors import BadQuery
from gateway.http.access import UseCaller, UseServices, require_key
from gateway.http.problems import json_response
from gateway.http.query import refuse_unknown_parameters
from gateway.openapi import Responses, answer, object_body, refusals

MAX_BODY_BYTES = 64 * 1024
MAX_LISTED = 500
BriefDigest = Annotated[str, Path(description="The digest of a brief, as lists have it.")]

router = APIRouter(
    prefix="/v1/copy/texts",
    tags=["texts"],
    dependencies=[Depends(require_key), Depends(refuse_unknown_parameters)],
)

_ONE = CopyText(
    digest="5d1f0c6f5fd6b4d3b8d8f2f5a8fb1c8b4b0e0b9b8b4b3a2d1c0f9e8d7c6b5a40",
    kind="reason_line",
    language="en",
    titles=("Blue Train (1999)",),
    text="By the director of “Old Bridge”.",
    source="writer",
    action=None,
    decided_by=None,
    at="2026-03-01T12:00:00+00:00",
    rejected=(
        RejectedCopy(
            text="The best film of Eva Stone.",
            objections=(CopyObjection(rule="comparisons", words="best"),),
        ),
    ),
)
_DECIDED: Responses = {
    **answer(200, "What is shown now.", decided=CopyDecisionAnswer(shown=_ONE)),
    **refusals(400, 401, 403, 404, 503),
}


@router.get(
    "",
    responses={
        **answer(200, "Texts.", texts=CopyTextList(texts=(_ONE,))),
        **refusals(400, 401, 403, 503),
    },
)
async def list_copy(
    services: UseServices,
    only: Annotated[
        Literal["all", "rejected", "edited"],
        Query(description="`rejected`: of which texts were rejected; `edited`: by editors."),
    ] = "all",
    k: Annotated[int, Query(ge=1, le=MAX_LISTED, description="How many.")] = 20,
) -> Response:
    """List the newest texts of the live writer, or what editors decided."""
    found = await run_in_threadpool(copy_rows.newest, services.placements.ledger, k, only=only)
    return json_response(CopyTextList(texts=tuple(map(_as_text, found))))


@router.get(
    "/{digest}",
    responses={
        **answer(200, "The text.", text=_ONE),
        **refusals(400, 401, 403, 404, 503),
    },
)
async def get_copy(digest: BriefDigest, services: UseServices) -> Response:
    """Return what is shown for a brief."""
    found = await run_in_threadpool(copy_rows.one, services.placements.ledger, digest)
    return json_response(_as_text(found))


@router.put(
    "/{digest}",
    responses={**_DECIDED, **refusals(409, 413, 415)},
    openapi_extra=object_body(
        CopyDecisionBody, {"action": "edit", "text": "A quiet film about a long journey."}
    ),
)
async def decide_copy(
    digest: BriefDigest, request: Request, services: UseServices, caller: UseCaller
) -> Response:
    """Pin, edit or ban a text, whoever writes later; lists follow with their next answer."""
    async with services.bodies.read(request, limit=MAX_BODY_BYTES) as content:
        body = parse_body(CopyDecisionBody, content)
    if (body.action == "edit") != (body.text is not None):
        raise BadQuery("text", "text: expected one with the action edit, and with no other")
    ledger, by = services.placements.ledger, f"the key {caller.name!r}"

    def decide() -> CopyDecisionAnswer:
        copy_rows.decide(ledger, digest, body.action, body.text, by=by)
        decided = copy_rows.one(ledger, digest)
        services.copy.refresh()
        violations = () if body.text is None else check(body.text, decided.brief).violations
        return CopyDecisionAnswer(shown=_as_text(decided), objections=_objections(violations))

    return json_response(await run_in_threadpool(decide))


@router.delete("/{digest}", responses=_DECIDED)
async def undo_copy(digest: BriefDigest, services: UseServices) -> Response:
    """Delete what an editor decided; the writer's text or the template is shown again."""
    ledger = services.placements.ledger

    def undo() -> CopyDecisionAnswer:
        before = copy_rows.one(ledger, digest)
        copy_rows.undo(ledger, digest)
        services.copy.refresh()
        try:
            shown = copy_rows.one(ledger, digest)
        except UnknownCopy:  # no writer has written it
            shown = StoredCopy(digest=digest, brief=before.brief)
        return CopyDecisionAnswer(shown=_as_text(shown))

    return json_response(await run_in_threadpool(undo))


def _as_text(stored: StoredCopy) -> CopyText:
    brief = stored.brief
    titles = [item.title for item in brief.items if item.title is not None]
    return CopyText(
        digest=stored.digest,
        kind=brief.kind,
        language=brief.language,
        placement=brief.placement,
        titles=tuple(titles),
        text=stored.shown_text or from_template(brief),
        source=stored.source,
        action=stored.action,
        decided_by=stored.edited_by,
        at=None if stored.made_at is None else stored.made_at.isoformat(),
        rejected=tuple(
            RejectedCopy(text=one.text, objections=_objections(one.violations))
            for one in stored.rejected
        ),
    )


def _objections(violations: Sequence[Violation]) -> tuple[CopyObjection, ...]:
    return tuple(CopyObjection(rule=one.rule, words=one.words) for one in violations)
