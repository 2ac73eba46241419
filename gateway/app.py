"""The HTTP door: events and items in, recommendations out, a page for people.

    uvicorn serves what `create_app(settings)` returns; `python -m gateway` does so on the configured port.

Knows which parts make the application; each group of calls is a module of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from cron.settings.tree import Settings
from gateway.calls import answers, records, watch
from gateway.http.head import HeadAsGet
from gateway.http.problems import handle_problems
from gateway.metrics import Metered
from gateway.services import open_services


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its back ends are opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Freshet",
        summary="A recommender that keeps learning while it serves.",
        lifespan=lifespan,
        openapi_url="/openapi.json",
        redoc_url=None,
    )
    app.add_middleware(Metered)
    app.add_middleware(
        HeadAsGet
    )  # around Metered, which looks for the route in the scope that it passed on
    handle_problems(app)
    for calls in (records, answers, watch):
        app.include_router(calls.router)
    return app
