"""The HTTP door: events and items in, recommendations out, a page for people.

    uvicorn serves what `create_app(settings)` returns; `python -m gateway` does so on the configured port.

Knows which parts make the application; each group of calls is a module of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from cron.settings.tree import Settings
from gateway import answer_calls, record_calls, watch_calls
from gateway.doors import open_doors
from gateway.figures import Metered
from gateway.head_calls import HeadAsGet
from gateway.problems import handle_problems


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its back ends are opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_doors(settings) as doors:
            app.state.doors = doors
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
    for calls in (record_calls, answer_calls, watch_calls):
        app.include_router(calls.router)
    return app
