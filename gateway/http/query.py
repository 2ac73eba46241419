"""Query parameters: an unknown one is refused like an unknown field of a body, and so is one that is given twice for one value.

Knows which parameters a route declares; does not know what they mean.
"""

from __future__ import annotations

import typing

from fastapi import Request
from fastapi.routing import APIRoute

from gateway.model.recommendations import BadQuery


def refuse_unknown_parameters(request: Request) -> None:
    """Raise BadQuery for a parameter that the route does not declare, or that stands twice where one value is meant."""
    if not request.query_params:
        return
    route = request.scope.get("route")
    known = (
        {one.alias: one.field_info.annotation for one in route.dependant.query_params}
        if isinstance(route, APIRoute)
        else {}
    )
    for name in request.query_params:
        shown = ascii(name)[1:-1][:80]
        if name not in known:
            raise BadQuery(shown, f"{shown}: found an unknown parameter, expected {_only(known)}")
        given = request.query_params.getlist(name)
        if len(given) > 1 and not _is_list(known[name]):
            raise BadQuery(shown, f"{shown}: found {len(given)} values, expected one")


def _only(known: typing.Iterable[str]) -> str:
    names = sorted(known)
    return f"only {', '.join(names)}" if names else "none"


def _is_list(annotation: object) -> bool:
    return any(typing.get_origin(one) is list for one in (annotation, *typing.get_args(annotation)))
