"""Every call of the gateway has its roles in `gateway.callers.roles`, and checks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from cron.settings.tree import Settings
from gateway.app import create_app
from gateway.callers.roles import CALLS, OPEN_CALLS
from gateway.http.access import require_key
from gateway.http.quick_calls import QuickCalls


def routes() -> dict[str, APIRoute]:
    """Return every route by method and path."""
    return {
        f"{method} {route.path_format}": route
        for route in flat(create_app(Settings()).routes)
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def flat(found: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield routes, and those of routers that FastAPI keeps as one."""
    for route in found:
        router = getattr(route, "original_router", None)
        if router is None:
            yield route
        else:
            yield from flat(router.routes)


def test_every_call_has_roles_or_is_open() -> None:
    assert set(routes()) == set(CALLS) | OPEN_CALLS, (
        "name each new call in gateway/callers/roles.py with the roles that it is for"
    )
    assert not set(CALLS) & OPEN_CALLS
    assert all(CALLS.values())


def test_every_call_with_roles_checks_the_key_first() -> None:
    for call, route in routes().items():
        checks = [one.call for one in route.dependant.dependencies]
        if call in CALLS:
            assert checks[0] is require_key, call
        else:
            assert require_key not in checks, call


def test_the_document_names_the_roles() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    named = {
        f"{method.upper()} {path}": {role for one in operation["security"] for role in one["key"]}
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" in operation
    }
    assert named == CALLS


def test_what_is_not_a_call_is_the_document_alone() -> None:
    others = [one for one in flat(create_app(Settings()).routes) if not isinstance(one, APIRoute)]
    quick, document = others
    assert isinstance(quick, QuickCalls)  # it passes on to calls that are checked here
    assert getattr(document, "path", None) == "/openapi.json"


def test_browser_keys_read_nothing_about_others() -> None:
    """A new call for browser keys is a decision: add it here too."""
    assert {call for call, roles in CALLS.items() if "browser" in roles} == {
        "POST /v1/events",
        "GET /v1/recommendations/{user_id}",
        "POST /v1/recommendations",
        "GET /v1/items/{item_id}/similar",
        "POST /v1/similar",
        "GET /v1/pictures",
        "GET /v1/popular",
        "GET /v1/trending",
        "GET /v1/new",
        "GET /v1/search",
        "GET /v1/release",
    }
