"""What one process of the gateway serves; uvicorn calls it by its name."""

from __future__ import annotations

import gc
import os

from fastapi import FastAPI

from cron.logs import set_up_logs
from cron.settings.file import load_settings
from gateway.app import create_app
from trainer.machine.prctl import die_with_parent

# Calls keep many objects for some milliseconds, and hardly any are in cycles. With Python's 700,
# the collector takes a tenth of the time of an event.
NEW_OBJECTS_A_COLLECTION = 5_000


def application() -> FastAPI:
    """Make the application by the settings that the environment names, and prepare the process."""
    settings = load_settings(None, os.environ).settings
    if settings.gateway.processes > 1:
        die_with_parent()
        set_up_logs()
    app = create_app(settings)
    _relieve_collector()
    return app


def _relieve_collector() -> None:
    """Let the garbage collector run less often, and pass over all that was made so far."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_A_COLLECTION, *gc.get_threshold()[1:])
