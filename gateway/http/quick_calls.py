"""The plain calls of quick routes, found before all other routes.

FastAPI tries one route after the other, and the router that has the right one twice: a tenth of a
list's time. Here a call is found by its method and its path. What is not found here, or is not
plain, takes FastAPI's way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from gateway.http.quick_route import QuickRoute
from gateway.http.user_paths import AnyText

_VALUES = "freshet.quick_values"  # of the query, from `matches` to `handle`


class QuickCalls(BaseRoute):
    """A route in front of the others, for those of them that are quick.

    A quick route whose calls another one could answer too is left to FastAPI, which knows their
    order. So is one with anything but an id at the end of its path.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._whole: dict[tuple[str, str], QuickRoute] = {}
        self._begun: dict[str, list[tuple[str, str, QuickRoute]]] = {}  # by method
        for route in routes:
            if isinstance(route, QuickRoute) and route.is_quick:
                self._add(route, routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a call is plain and belongs to a quick route, and what `handle` needs."""
        if scope["type"] != "http" or scope.get("root_path"):
            return Match.NONE, {}
        found = self._find(scope["method"], scope["path"])
        if found is None:
            return Match.NONE, {}
        route, path_params = found
        values = route.plain_values(scope["query_string"])
        if values is None:
            return Match.NONE, {}
        return Match.FULL, {"route": route, "path_params": path_params, _VALUES: values}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call; what it raises has an answer of the application."""
        route: QuickRoute = scope["route"]
        response = await route.answer_plain(Request(scope, receive, send), scope[_VALUES])
        await response(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[QuickRoute, Mapping[str, str]] | None:
        whole = self._whole.get((method, path))
        if whole is not None:
            return whole, {}
        for begin, name, route in self._begun.get(method, ()):
            if path.startswith(begin):
                return route, {name: path[len(begin) :]}
        return None

    def _add(self, route: QuickRoute, routes: Sequence[BaseRoute]) -> None:
        method = next(iter(route.methods or ()))
        others = [
            _begin_and_rest(one)
            for one in routes
            if one is not route and method in (getattr(one, "methods", None) or ())
        ]
        begin, rest = _begin_and_rest(route)
        if not rest:
            if not any(begin.startswith(other) for other, more in others if more):
                self._whole[method, begin] = route
            return
        name, convertor = next(iter(route.param_convertors.items()))
        if rest != f"{name}}}" or not isinstance(convertor, AnyText):
            return
        if any(
            other.startswith(begin) or (more and begin.startswith(other)) for other, more in others
        ):
            return
        self._begun.setdefault(method, []).append((begin, name, route))


def _begin_and_rest(route: BaseRoute) -> tuple[str, str]:
    """Return a route's path up to its first parameter, and what comes after the brace."""
    begin, _, rest = str(getattr(route, "path_format", "")).partition("{")
    return begin, rest
