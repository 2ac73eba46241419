"""Routes of the calls that come most often, without FastAPI's injection.

FastAPI resolves every dependency and parameter of each call: .25 ms, as much as all the rest of the
gateway. Here a call without query parameters, or with whole numbers and plain words alone, such as
`k=10&placement=home`, is passed on at once. `gateway.http.quick_calls` finds these calls; every
other one, and every wrong one, takes FastAPI's way.
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
PlainValues = Mapping[str, int | str]
_PlainAnswer = Callable[[Request, PlainValues], Awaitable[Response]]

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

    _answer: _PlainAnswer | None = None
    _limits: Mapping[str, tuple[int, int]]
    _texts: Collection[str]

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler; raise TypeError for checks that the quick way would skip."""
        if list(self.dependencies) != CHECKS:
            raise TypeError(f"{self.path}: a quick route has exactly the dependencies CHECKS")
        if iscoroutinefunction(self.endpoint):  # FastAPI calls others in a thread
            self._answer = _plain_answer(self)
            self._limits, self._texts = limits_of_counts(self), names_of_texts(self)
        return super().get_route_handler()

    @property
    def is_quick(self) -> bool:
        """Return whether the route's plain calls have a quick way."""
        return self._answer is not None

    def plain_values(self, query: bytes) -> PlainValues | None:
        """Return the values of a plain query; None for another query."""
        return plain_values(query, self._limits, self._texts)

    async def answer_plain(self, request: Request, values: PlainValues) -> Response:
        """Answer a call with the values of a plain query; raise as FastAPI's way does."""
        assert self._answer is not None  # else `is_quick` is false
        return await self._answer(request, values)


def _plain_answer(route: QuickRoute) -> _PlainAnswer:
    """Return a function that makes the checks and calls the route's function."""
    call, request_name = route.endpoint, route.dependant.request_param_name
    named = [one for one in route.dependant.dependencies if one.name is not None]
    plain = {str(one.name): find for one in named for find in PLAIN if find is one.call}
    if len(plain) < len(named):
        raise TypeError(f"{route.path}: a quick route takes only PLAIN from dependencies")

    async def answer(request: Request, values: PlainValues) -> Response:
        await require_key(request, await services_of(request), None)
        given: dict[str, object] = {**request.path_params, **values}
        for name, find in plain.items():
            given[name] = await find(request)
        if request_name is not None:
            given[request_name] = request
        response: Response = await call(**given)
        return response

    return answer


def plain_values(
    query: bytes, limits: Mapping[str, tuple[int, int]], texts: Collection[str]
) -> PlainValues | None:
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
