"""What went wrong, as JSON: `{"error": {"field", "reason"}}`, the endpoint's own form, for every status.

Knows statuses and sentences; does not know what a call does.
"""

from __future__ import annotations

import json
import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from cron.errors import FreshetError, LedgerFailed, Unavailable, WrongUserId
from gateway.http.access import OtherSite
from gateway.http.request_body import BadBody
from gateway.model.inference import NoAnswer, TooLarge
from gateway.model.recommendations import BadQuery
from gateway.waiting_queue import Overloaded

CLIENT_GONE = 499  # nobody reads it, but figures and alarms must not take it for a fault of ours

log = logging.getLogger(__name__)


def json_response(
    content: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Render JSON as UTF-8; a lone surrogate, which UTF-8 can't hold, stays the escape that it came as."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"
    return Response(text.encode("utf-8", "backslashreplace"), status, headers, "application/json")


def problem(
    status: int, *, field: str, reason: str, headers: dict[str, str] | None = None
) -> Response:
    """Render one problem."""
    return json_response(
        {"error": {"field": field, "reason": reason}}, status=status, headers=headers
    )


def handle_problems(app: FastAPI) -> None:
    """Make every error that a call can raise an answer with a sentence."""
    app.add_exception_handler(BadBody, _bad_body)
    app.add_exception_handler(BadQuery, _bad_query)
    app.add_exception_handler(OtherSite, _other_site)
    app.add_exception_handler(WrongUserId, _wrong_user_id)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(NoAnswer, _unavailable)
    app.add_exception_handler(FreshetError, _unavailable)
    app.add_exception_handler(OSError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _bad_body(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadBody)
    headers = {"Accept-Encoding": "gzip"} if error.status == 415 else None  # RFC 9110, 15.5.16
    return problem(error.status, field="body", reason=str(error), headers=headers)


def _other_site(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OtherSite)
    return problem(403, field=error.field, reason=str(error))


def _wrong_user_id(_request: Request, error: Exception) -> Response:
    return problem(400, field="user_id", reason=str(error))


def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def _too_large(_request: Request, error: Exception) -> Response:
    return problem(413, field="body", reason=str(error))


def _bad_query(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadQuery)
    return problem(400, field=error.field, reason=str(error))


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = str(first["loc"][-1])
    return problem(
        400,
        field=field,
        reason=f"{field}: found {ascii(first.get('input'))[:80]}, expected: {first['msg']}",
    )


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    field, reason = "path", str(error.detail)
    if error.status_code == 404:
        reason = f"there is nothing at {path}; /docs lists the calls"
    elif error.status_code == 405:
        allowed = {name.lower(): value for name, value in (error.headers or {}).items()}.get(
            "allow", "other methods"
        )
        field, reason = "method", f"{path} does not take {request.method}, only {allowed}"
    elif error.status_code == 401:
        field = "authorization"
    return problem(error.status_code, field=field, reason=reason, headers=dict(error.headers or {}))


def _overloaded(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Overloaded)
    return problem(
        503, field="server", reason=str(error), headers={"Retry-After": str(error.retry_after_s)}
    )


def _unavailable(request: Request, error: Exception) -> Response:
    ours = isinstance(error, FreshetError | NoAnswer)
    if not ours:  # what another machine does is in the figures; a failing disk is nowhere else
        log.warning("call not answered", extra={"path": request.url.path}, exc_info=error)
    reason = (
        str(error) if ours else f"the gateway's storage does not answer ({type(error).__name__})"
    )
    again = (
        {"Retry-After": "1"}
        if isinstance(error, LedgerFailed | Unavailable | NoAnswer | OSError)
        else None
    )
    return problem(503, field="server", reason=reason, headers=again)


def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem(
        500, field="server", reason="the gateway met an error of its own; its log has the details"
    )
