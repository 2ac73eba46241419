"""A worker's turn in a process that is killed with -9 before or after a named call.

Run by `tests/component/test_kill.py` through a fork server, which has loaded torch once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TypeVar

from cron.cycle.cycle import run_cycle
from cron.ledger import (
    journal_rows,
    release_rows,
    run_rows,
    side_rows,
    switches,
    trial_rows,
)
from cron.settings.tree import ReleaseSettings
from tests.fakes import FakeServer
from tests.workshop import close_workshop, lease_of, open_workshop, with_bases

Result = TypeVar("Result")

# loaded once by the fork server; importing them takes most of a turn's time otherwise
PRELOADED = (
    "tests.kill_points",
    "trainer.candidate",
    "recommender.lists.answer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
)
STEPS = (
    "plan",
    "snapshot",
    "train",
    "judge",
    "archive",
    "put",
    "register",
    "probe",
    "set_live",
    "trial",
)
CALLS = {
    "commit_segment": (journal_rows, "commit_segment"),
    "start_run": (run_rows, "start"),
    "allot_version": (run_rows, "allot_version"),
    "add_release": (release_rows, "add"),
    "finish_run": (run_rows, "finish"),
    "begin_publish": (switches, "begin_publish"),
    "tell_server": (FakeServer, "set_live"),
    "end_switch": (switches, "end"),
    "unregister": (FakeServer, "unregister"),
    "start_trial": (trial_rows, "start"),
    "measure_trial": (trial_rows, "store_measured"),
    "remove_side": (side_rows, "remove"),
}
# What is reached before anything is switched; each can follow the one before in the same run.
EARLY = (
    *("commit_segment", "start_run", "plan", "snapshot", "train", "judge", "allot_version"),
    *("archive", "add_release", "put", "register", "probe"),
)


# A canary that ends at its first look: nobody came.
SHORT_TRIAL = ReleaseSettings(
    keep_registered=2, keep_releases=4, canary_share=0.5, trial_min_s=0.0, trial_max_s=1e-6
)


def turn(folder: Path, point: str | None, release: ReleaseSettings | None = None) -> None:
    """Do one turn in a workshop; die at the point, when there is one."""
    if point is not None:
        name, _, side = point.partition(":")
        owner, attribute = (run_rows, "record_step") if name in STEPS else CALLS[name]
        setattr(
            owner,
            attribute,
            _deadly(
                getattr(owner, attribute),
                step=name if name in STEPS else None,
                before=side == "before",
            ),
        )
    services = with_bases(open_workshop(folder))  # which have a step more than small arrays
    if release is not None:
        services = replace(services, settings=replace(services.settings, release=release))
    run_cycle(services, lease_of(services.ledger))
    close_workshop(services)


def _deadly(
    call: Callable[..., Result], *, step: str | None, before: bool
) -> Callable[..., Result]:
    @wraps(call)
    def wrapper(*arguments: object, **named: object) -> Result:
        is_it = step is None or arguments[2] == step
        if is_it and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments, **named)
        if is_it:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapper
