"""The answer to every error of a call: `{"error": {"field", "reason"}}`."""

from __future__ import annotations

import json
import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import PydanticSerializationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from cron.copy_errors import NotEdited, NothingToPin, UnknownCopy
from cron.errors import (
    FreshetError,
    Held,
    LedgerFailed,
    LiveChanged,
    NoArchive,
    NothingToRollBackTo,
    Overtaken,
    RolledBackMeanwhile,
    Superseded,
    TooManyPlacements,
    TooManySideVersions,
    Unavailable,
    UnknownVersion,
    WrongUserId,
)
from cron.experiment_errors import ExperimentRefused, NoTrial, UnknownExperiment
from gateway.bodies.codec import codec_of, to_json
from gateway.bodies.refusal import refusal
from gateway.callers.call_limits import TooManyCalls
from gateway.callers.visitors import WrongSite
from gateway.content.request_body import BadBody
from gateway.errors import BadQuery, UnknownFact, UnknownItem
from gateway.http.access import OtherSite, WrongRole
from gateway.http.query import expected_value
from gateway.model.answers import NoAnswer, TooLarge
from gateway.placements.errors import PlacementInSettings, UnknownPlacement
from gateway.waiting_queue import Overloaded
from recommender.records.record_fields import InvalidRecord
from recommender.requests.wire import BadRequest

# nobody reads this answer, but metrics and alerts must not count it as an error of the gateway
CLIENT_GONE = 499
# a person's decision that does not fit what is live
_CONFLICTS = (
    Held,
    LiveChanged,
    NoTrial,
    NothingToRollBackTo,
    Overtaken,
    RolledBackMeanwhile,
    Superseded,
)
_AGAIN = {"Retry-After": "1"}

log = logging.getLogger(__name__)


def json_response(
    body: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Render a body as JSON."""
    return Response(encode_line(body), status, headers, "application/json")


def encode_line(body: object) -> bytes:
    """Encode a body as a line of JSON in UTF-8. A lone surrogate, which UTF-8 lacks, is escaped."""
    try:
        content = codec_of(type(body)).dump_json(body)
    except PydanticSerializationError:
        text = json.dumps(to_json(body), ensure_ascii=False, separators=(",", ":"))
        content = text.encode("utf-8", "backslashreplace")
    return content + b"\n"


def problem(
    status: int, *, field: str, reason: str, headers: dict[str, str] | None = None
) -> Response:
    """Render one refusal."""
    return json_response(refusal(field, reason), status=status, headers=headers)


def handle_problems(app: FastAPI) -> None:
    """Register an answer for every error that a call can raise."""
    app.add_exception_handler(BadBody, _bad_body)
    app.add_exception_handler(BadQuery, _bad_query)
    app.add_exception_handler(BadRequest, _bad_field)
    app.add_exception_handler(InvalidRecord, _invalid_record)
    app.add_exception_handler(UnknownItem, _unknown_item)
    app.add_exception_handler(UnknownFact, _unknown_fact)
    app.add_exception_handler(UnknownCopy, _unknown_digest)
    app.add_exception_handler(NotEdited, _unknown_digest)
    app.add_exception_handler(NothingToPin, _nothing_to_pin)
    app.add_exception_handler(UnknownPlacement, _unknown_name)
    app.add_exception_handler(PlacementInSettings, _refused_name)
    app.add_exception_handler(TooManyPlacements, _too_many_placements)
    app.add_exception_handler(UnknownExperiment, _unknown_name)
    app.add_exception_handler(ExperimentRefused, _refused_name)
    app.add_exception_handler(TooManySideVersions, _refused_name)
    app.add_exception_handler(NoArchive, _refused_name)
    app.add_exception_handler(OtherSite, _other_site)
    app.add_exception_handler(TooManyCalls, _too_many_calls)
    app.add_exception_handler(WrongRole, _wrong_role)
    app.add_exception_handler(WrongSite, _wrong_site)
    app.add_exception_handler(WrongUserId, _wrong_user_id)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(Overloaded, _refuse_overload)
    app.add_exception_handler(NoAnswer, _no_answer)
    for conflict in _CONFLICTS:
        app.add_exception_handler(conflict, _conflict)
    app.add_exception_handler(UnknownVersion, _unknown_version)
    app.add_exception_handler(FreshetError, _own_error)
    app.add_exception_handler(LedgerFailed, _storage_error)
    app.add_exception_handler(OSError, _storage_error)
    app.add_exception_handler(Exception, _hide_error)


def _bad_body(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadBody)
    headers = {"Accept-Encoding": "gzip"} if error.status == 415 else None  # RFC 9110, 15.5.16
    return problem(error.status, field="body", reason=str(error), headers=headers)


def _invalid_record(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRecord)
    return problem(400, field=error.field, reason=error.reason)


def _unknown_item(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UnknownItem)
    return problem(404, field=error.field, reason=str(error))


def _unknown_fact(_request: Request, error: Exception) -> Response:
    return problem(404, field="tail", reason=str(error))


def _unknown_digest(_request: Request, error: Exception) -> Response:
    return problem(404, field="digest", reason=str(error))


def _nothing_to_pin(_request: Request, error: Exception) -> Response:
    return problem(409, field="action", reason=str(error))


def _unknown_name(_request: Request, error: Exception) -> Response:
    return problem(404, field="name", reason=str(error))


def _refused_name(_request: Request, error: Exception) -> Response:
    return problem(409, field="name", reason=str(error))


def _too_many_placements(_request: Request, error: Exception) -> Response:
    return problem(400, field="name", reason=str(error))


def _other_site(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OtherSite)
    return problem(403, field=error.field, reason=str(error))


def _too_many_calls(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TooManyCalls)
    return problem(
        429,
        field="authorization" if error.limit == "key" else "address",
        reason=str(error),
        headers={"Retry-After": str(error.retry_after_s)},
    )


def _wrong_role(_request: Request, error: Exception) -> Response:
    return problem(403, field="authorization", reason=str(error))


def _wrong_site(_request: Request, error: Exception) -> Response:
    return problem(403, field="origin", reason=str(error))


def _wrong_user_id(_request: Request, error: Exception) -> Response:
    return problem(400, field="user_id", reason=str(error))


def _conflict(_request: Request, error: Exception) -> Response:
    return problem(409, field="version", reason=str(error))


def _unknown_version(_request: Request, error: Exception) -> Response:
    return problem(400, field="version", reason=str(error))


def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def _too_large(_request: Request, error: Exception) -> Response:
    return problem(413, field="body", reason=str(error))


def _bad_query(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadQuery)
    return problem(400, field=error.field, reason=str(error))


def _bad_field(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return problem(400, field=error.field, reason=error.reason)


def _wrong_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = str(first["loc"][-1])
    found, expected = ascii(first.get("input"))[:80], expected_value(request, field)
    return problem(400, field=field, reason=f"{field}: found {found}, expected {expected}")


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, headers = request.url.path, dict(error.headers or {})
    field, reason = "path", str(error.detail)
    if error.status_code == 404:
        reason = f"there is nothing at {path}; /docs lists the calls"
    elif error.status_code == 405:
        by_name = {name.lower(): value for name, value in headers.items()}
        allowed = by_name.get("allow", "other methods")
        field, reason = "method", f"{path} does not take {request.method}; use {allowed}"
    elif error.status_code == 401:
        field = "authorization"
    return problem(error.status_code, field=field, reason=reason, headers=headers)


def _refuse_overload(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Overloaded)
    return problem(
        503, field="server", reason=str(error), headers={"Retry-After": str(error.retry_after_s)}
    )


def _no_answer(_request: Request, error: Exception) -> Response:
    return problem(503, field="server", reason=str(error), headers=_AGAIN)


def _own_error(_request: Request, error: Exception) -> Response:
    headers = _AGAIN if isinstance(error, Unavailable) else None
    return problem(503, field="server", reason=str(error), headers=headers)


def _storage_error(request: Request, error: Exception) -> Response:
    # Metrics show that another machine is away. A failing disk or database is visible in the log
    # alone, and its own words are not for callers.
    log.warning("call not answered", extra={"path": request.url.path}, exc_info=error)
    reason = f"the gateway's storage does not answer ({type(error).__name__}); try again in 1 s"
    return problem(503, field="server", reason=reason, headers=_AGAIN)


def _hide_error(_request: Request, _error: Exception) -> Response:
    reason = "the gateway failed unexpectedly; its log has the traceback"
    return problem(500, field="server", reason=reason)
