"""Routes of the calls that come most often, without FastAPI's injection.

FastAPI resolves every dependency and parameter of each call: .25 ms, as much as all the rest of the
gateway. Here a call without query parameters, or with whole numbers and plain words alone, such as
`k=10&placement=home`, is passed on at once. Every other call, and every wrong one, takes FastAPI's
way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from inspect import iscoroutinefunction

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.http.access import caller_of, require_key, services_of
from gateway.http.attributes import attribute_query
from gateway.http.query import limits_of_counts, names_of_texts, refuse_unknown_parameters
from gateway.http.shown import shown_query

Handler = Callable[[Request], Coroutine[object, object, Response]]

# What both ways do before a call, for a router to declare.
CHECKS = [Depends(require_key), Depends(refuse_unknown_parameters)]
# What a function may take from dependencies: each is found from the request alone.
PLAIN: Sequence[Callable[[Request], Awaitable[object]]] = (
    services_of,
    caller_of,
    attribute_query,
    shown_query,
)
_PAIR = re.compile(rb"([a-z_]+)=([A-Za-z0-9_-]{1,64})")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")


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
        limits, texts = limits_of_counts(self), names_of_texts(self)
        named = [one for one in self.dependant.dependencies if one.name is not None]
        plain = {str(one.name): find for one in named for find in PLAIN if find is one.call}
        if len(plain) < len(named):
            raise TypeError(f"{self.path}: a quick route takes only PLAIN from dependencies")

        async def handle(request: Request) -> Response:
            values = plain_values(request.scope["query_string"], limits, texts)
            if values is None:
                return await full(request)
            await require_key(request, await services_of(request), None)
            given: dict[str, object] = {**request.path_params, **values}
            for name, find in plain.items():
                given[name] = await find(request)
            if request_name is not None:
                given[request_name] = request
            response: Response = await call(**given)
            return response

        return handle


def plain_values(
    query: bytes, limits: Mapping[str, tuple[int, int]], texts: Collection[str]
) -> Mapping[str, int | str] | None:
    """Return the values of a query of whole numbers and plain words; None for another query.

    `limits` are those of the numbers, by name, and `texts` the names of the words.
    """
    values: dict[str, int | str] = {}
    for pair in query.split(b"&") if query else ():
        found = _PAIR.fullmatch(pair)
        if found is None:
            return None
        name, value = found[1].decode(), found[2].decode()
        low, high = limits.get(name, (1, 0))
        if name in values:
            return None
        if name in texts:
            values[name] = value
        elif _COUNT.fullmatch(value) and low <= int(value) <= high:
            values[name] = int(value)
        else:
            return None
    return values
