"""Query parameters: unknown and repeated ones are refused, and wrong values are explained."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Set
from typing import Annotated

from fastapi import Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic.fields import FieldInfo

from gateway.errors import BadQuery

PageCursor = Annotated[
    str | None,
    Query(description="The `next_cursor` of the page before; without it, the first page."),
]
FilterTexts = Annotated[
    list[str] | None,
    Query(
        alias="filter",
        description='`NAME:VALUE`, or a JSON object: `{"genre": "Comedy"}`. Repeated with one '
        "name, any of the values matches; with several names, all must match.",
        examples=[["genre:Comedy"]],
    ),
]


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise BadQuery for a parameter that the route does not declare, or a repeated single one."""
    if not request.query_params:
        return
    known = _parameters(request)
    for name in request.query_params:
        shown = ascii(name)[1:-1][:80]
        if name not in known:
            raise BadQuery(shown, f"{shown}: found an unknown parameter, expected {_only(known)}")
        given = request.query_params.getlist(name)
        if len(given) > 1 and not _is_list(known[name].annotation):
            raise BadQuery(shown, f"{shown}: found {len(given)} values, expected one")


def names_in_query(request: Request) -> Set[str]:
    """Return the names of the query parameters. Most calls have none, and nothing to parse."""
    return request.query_params.keys() if request.scope["query_string"] else frozenset()


def expected_value(request: Request, name: str) -> str:
    """Return in words which values a query parameter of the request's route takes."""
    field = _parameters(request).get(name)
    if field is None:
        return "another value"
    if field.annotation is str:
        return "a text"
    if field.annotation is bool:
        return "true or false"
    parts = (field.annotation, *typing.get_args(field.annotation))
    words = next((one for one in parts if typing.get_origin(one) is typing.Literal), None)
    if words is not None:
        return " or ".join(map(str, typing.get_args(words)))
    return f"a whole number from {_limit(field, 'ge'):,} to {_limit(field, 'le'):,}"


def limits_of_counts(route: APIRoute) -> dict[str, tuple[int, int]]:
    """Return the least and the greatest value of each query parameter that is a whole number."""
    fields = {one.alias: one.field_info for one in route.dependant.query_params}
    return {
        name: (_limit(field, "ge"), _limit(field, "le"))
        for name, field in fields.items()
        if field.annotation is int
    }


def names_of_texts(route: APIRoute) -> frozenset[str]:
    """Return the query parameters that are any text, by the names that the function has too."""
    texts = (str, str | None)
    return frozenset(
        one.alias
        for one in route.dependant.query_params
        if one.alias == one.name and one.field_info.annotation in texts
    )


def _parameters(request: Request) -> dict[str, FieldInfo]:
    """Return the query parameters that the request's route declares."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return {}
    return dict(_parameters_of(route.dependant))


def _parameters_of(dependant: Dependant) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the parameters of a function and of what it depends on."""
    for one in dependant.query_params:
        yield one.alias, one.field_info
    for inner in dependant.dependencies:
        yield from _parameters_of(inner)


def _limit(field: FieldInfo, name: str) -> int:
    (bound,) = [getattr(one, name) for one in field.metadata if hasattr(one, name)]
    return int(bound)


def _only(known: typing.Iterable[str]) -> str:
    names = sorted(known)
    return f"only {', '.join(names)}" if names else "none"


def _is_list(annotation: object) -> bool:
    return any(typing.get_origin(one) is list for one in (annotation, *typing.get_args(annotation)))
