"""The application: every call, and the middleware around them.

`python -m gateway` serves what `create_app(settings)` returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cron.settings.tree import Settings
from gateway.calls import (
    answers,
    browser,
    copy,
    copy_texts,
    documentation,
    experiments,
    facts,
    foreign,
    item_lists,
    items,
    operate,
    personalizer,
    pictures,
    placements,
    propensities,
    recommendations,
    records,
    release,
    search,
    users,
    watch,
)
from gateway.http.cross_origin import CrossOrigin
from gateway.http.head import HeadAsGet
from gateway.http.problems import handle_problems
from gateway.http.quick_calls import QuickCalls
from gateway.metrics import CallMetrics
from gateway.openapi import TAGS, describe_bodies
from gateway.services import open_services

# in the order of the documentation
_DESCRIBED = (
    records,
    facts,
    foreign,
    recommendations,
    propensities,
    answers,
    copy,
    copy_texts,
    items,
    pictures,
    item_lists,
    search,
    users,
    placements,
    experiments,
    operate,
    release,
    watch,
)


def create_app(settings: Settings) -> FastAPI:
    """Build the application. It opens its back ends when it starts and closes them at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Freshet",
        summary="A recommender that keeps learning while it serves.",
        openapi_tags=[dict(tag) for tag in TAGS],
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url=None,  # gateway.calls.documentation serves it without another host
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        # else each call looks for OpenTelemetry's settings; /metrics has ours
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(CallMetrics)
    app.add_middleware(CrossOrigin)
    # outside CallMetrics, which reads the route from the scope that it passed on
    app.add_middleware(HeadAsGet)
    if settings.gateway.trusted_proxies is not None:
        app.add_middleware(
            ProxyHeadersMiddleware,
            trusted_hosts=list(settings.gateway.trusted_proxies),
        )
    handle_problems(app)
    described = [*(calls.router for calls in _DESCRIBED), *personalizer.ROUTERS]
    routers = [*described, documentation.router, browser.router]
    for router in routers:
        app.include_router(router)
    describe_bodies(app, [route for router in described for route in router.routes])
    app.router.routes.insert(0, QuickCalls([one for router in routers for one in router.routes]))
    return app
