"""Refusals in the form of Azure's Personalizer, which its clients read."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.bodies.personalizer import ErrorResponse, PersonalizerError
from gateway.http.problems import json_response

Handler = Callable[[Request], Coroutine[object, object, Response]]
_CODES = {401: "401", 403: "Forbidden", 404: "ResourceNotFound", 429: "429"}


class PersonalizerRoute(APIRoute):
    """A route whose refusals have Azure's form."""

    def get_route_handler(self) -> Handler:
        """Return the handler; it raises only what no handler of the application knows."""
        call = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await call(request)
            except Exception as error:
                known = request.app.exception_handlers
                kinds = (kind for kind in type(error).__mro__ if kind is not Exception)
                to_answer = next((known[kind] for kind in kinds if kind in known), None)
                if to_answer is None:
                    raise
                return _in_azures_form(to_answer(request, error))

        return handle


def _in_azures_form(refusal: Response) -> Response:
    """Return a refusal in Azure's form, with the same status and headers."""
    if not refusal.body:  # nobody reads it
        return refusal
    found = json.loads(bytes(refusal.body))["error"]
    kept = ("retry-after", "www-authenticate", "accept-encoding")
    headers = {name: refusal.headers[name] for name in kept if name in refusal.headers}
    body = error_response(refusal.status_code, found["reason"], found["field"])
    return json_response(body, status=refusal.status_code, headers=headers)


def error_response(status: int, message: str, target: str | None) -> ErrorResponse:
    """Return a refusal in Azure's form."""
    code = _CODES.get(status, "BadRequest" if status < 500 else "InternalServerError")
    return ErrorResponse(error=PersonalizerError(code=code, message=message, target=target))
