"""Routes of the calls that come most often, without FastAPI's injection.

FastAPI resolves every dependency and parameter of each call: .25 ms, as much as all the rest of the
gateway. Here a call without query parameters, or with one whole number such as `k=10`, is passed on
at once. Every other call, and every wrong one, takes FastAPI's way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from inspect import iscoroutinefunction

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.http.access import caller_of, require_key, services_of
from gateway.http.query import limits_of_counts, refuse_unknown_parameters

Handler = Callable[[Request], Coroutine[object, object, Response]]

# What both ways do before a call, for a router to declare.
CHECKS = [Depends(require_key), Depends(refuse_unknown_parameters)]
# What a function may take from dependencies: each is found from the request alone.
PLAIN: Sequence[Callable[[Request], Awaitable[object]]] = (services_of, caller_of)
_COUNT = re.compile(rb"([a-z_]+)=([1-9][0-9]{0,5})")


class QuickRoute(APIRoute):
    """A route of CHECKS. Its function takes texts of the path, counts, a request, and PLAIN."""

    def get_route_handler(self) -> Handler:
        """Return the handler; raise TypeError for checks that the quick way would pass over."""
        if list(self.dependencies) != CHECKS:
            raise TypeError(f"{self.path}: a quick route has exactly the dependencies CHECKS")
        full, call, request_name = (
            super().get_route_handler(),
            self.endpoint,
            self.dependant.request_param_name,
        )
        if not iscoroutinefunction(call):
            return full  # FastAPI calls it in a thread
        limits = limits_of_counts(self)
        named = [one for one in self.dependant.dependencies if one.name is not None]
        plain = {str(one.name): find for one in named for find in PLAIN if find is one.call}
        if len(plain) < len(named):
            raise TypeError(f"{self.path}: a quick route takes only PLAIN from dependencies")

        async def handle(request: Request) -> Response:
            counts = _counts(request.scope["query_string"], limits)
            if counts is None:
                return await full(request)
            await require_key(request, await services_of(request), None)
            given: dict[str, object] = {**request.path_params, **counts}
            for name, find in plain.items():
                given[name] = await find(request)
            if request_name is not None:
                given[request_name] = request
            response: Response = await call(**given)
            return response

        return handle


def _counts(query: bytes, limits: Mapping[str, tuple[int, int]]) -> Mapping[str, int] | None:
    """Return the one whole number of a query, none for an empty one, None for another query."""
    if not query:
        return {}
    found = _COUNT.fullmatch(query)
    if found is None:
        return None
    name, value = found[1].decode(), int(found[2])
    low, high = limits.get(name, (1, 0))
    return {name: value} if low <= value <= high else None
