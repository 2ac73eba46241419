"""A quick call has the route, the parameters and the values that FastAPI would find."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Match, Route

from gateway.app import create_app
from gateway.http.quick_calls import QuickCalls
from gateway.http.quick_route import CHECKS, QuickRoute
from tests.component.gateway_process import settings_in

SEGMENTS = ["v1", "recommendations", "events", "items", "similar", "copy", "texts", "u 1", "", "\n"]


def call(method: str, path: str, query: bytes = b"") -> dict[str, object]:
    return {"type": "http", "method": method, "path": path, "query_string": query}


def leaves(app: FastAPI) -> list[BaseRoute]:
    """Return the routes in FastAPI's order, those of included routers too."""
    included = [getattr(one, "original_router", None) for one in app.router.routes]
    return [route for router in included if router is not None for route in router.routes]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(settings_in(tmp_path_factory.mktemp("gateway"), inference_port=9))


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    segments=st.lists(st.sampled_from(SEGMENTS), max_size=6),
)
@example(method="GET", segments=["v1", "recommendations", "u 1"])
@example(method="GET", segments=["v1", "recommendations", ""])
@example(method="POST", segments=["v1", "events"])
@example(method="POST", segments=["v1", "events", "segment"])
def test_a_call_is_found_where_fastapi_finds_it(
    app: FastAPI, method: str, segments: list[str]
) -> None:
    scope = call(method, "/" + "/".join(segments))
    match, found = app.router.routes[0].matches(scope)
    if match is Match.NONE:
        return
    expected = next(route for route in leaves(app) if route.matches(dict(scope))[0] is Match.FULL)
    assert found["route"] is expected
    assert found["path_params"] == expected.matches(dict(scope))[1]["path_params"]


def test_the_calls_that_come_most_often_are_quick(app: FastAPI) -> None:
    quick = app.router.routes[0]
    for method, path in (
        ("GET", "/v1/recommendations/ann"),
        ("POST", "/v1/recommendations"),
        ("POST", "/v1/events"),
        ("POST", "/predict"),
    ):
        assert quick.matches(call(method, path))[0] is Match.FULL, path


@pytest.mark.parametrize(
    "scope",
    [
        call("GET", "/v1/recommendations/ann", b"filter=genre:War"),
        call("HEAD", "/v1/recommendations/ann"),
        call("GET", "/v1/recommendations"),
        {**call("POST", "/v1/events"), "root_path": "/shop"},
        {"type": "lifespan"},
    ],
    ids=str,
)
def test_other_calls_are_left_to_fastapi(app: FastAPI, scope: dict[str, object]) -> None:
    assert app.router.routes[0].matches(scope)[0] is Match.NONE


def test_a_route_that_another_could_answer_is_left_out() -> None:
    router = APIRouter(dependencies=CHECKS, route_class=QuickRoute)

    @router.get("/of/{user_id:text}")
    async def _of_user(user_id: str) -> str:
        return user_id

    (quick,) = router.routes
    path = "/of/ann"
    assert QuickCalls([quick]).matches(call("GET", path))[0] is Match.FULL
    for other in ("/of/all", "/{anything:path}", "/of/{user_id:text}/history"):
        routes = [quick, Route(other, _of_user, methods=["GET"])]
        assert QuickCalls(routes).matches(call("GET", path))[0] is Match.NONE, other
