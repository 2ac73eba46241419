"""The body of `/v1/status`, which says the same as `freshet status --json`."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from cron.ledger import lease_row, run_rows, switches
from cron.ledger.copy_cost_rows import CopyCost
from cron.metrics import overview
from cron.metrics.copy_report import CopyReport, copy_json
from cron.metrics.overview import Overview, RunProgress
from gateway.bodies.codec import codec_of
from gateway.bodies.status import StatusAnswer
from gateway.callers.keyring import LOCAL
from gateway.calls.watch import status_answer
from gateway.http.problems import json_response
from gateway.slates.recorder import RecorderState
from tests.component import story
from tests.releases import reason

ENDPOINT, IN_SERVICE = "http://127.0.0.1:8080/predictions/rec", {"127.0.0.1:8081": True}
RECORDER = RecorderState(recording=True, waiting=4, stored=800, dropped=1)

COPY = CopyReport(
    writer="small",
    num_shown={"writer": 30, "template": 10, "editor": 0},
    num_waiting=2,
    of_day=CopyCost(seconds=7.5, num_written=9, num_templates=1),
    of_hour=CopyCost(seconds=1.5),
    seconds_per_hour=600.0,
    cost_per_hour=None,
    rules={"names": 3},
)


def overview_of_a_training(folder: Path) -> Overview:
    """Return an overview with a live release, a hold, skipped and refused runs, and a training."""
    clock = story.StoryClock()
    with closing(story.tell(folder / "ledger.db", now=clock)) as ledger:
        lease = lease_row.acquire(ledger, "a worker", 3600, clock())
        assert lease is not None
        run_rows.start(
            ledger, "update", reason=reason("enough", ok=True), supersedes=3, lease=lease
        )
        switches.begin_rollback(ledger, 2, reason="a person rolled back")
        seen = overview.look_at_ledger(ledger, now=clock())
    return replace(seen, progress=RunProgress(phase="train", done=3, total=8, loss=0.5))


def body_of(seen: Overview) -> bytes:
    """Return the bytes of the answer."""
    body = status_answer(
        seen,
        roles=LOCAL.roles,
        endpoint=ENDPOINT,
        in_service=IN_SERVICE,
        recorder=RECORDER,
        copy=COPY,
    )
    return bytes(json_response(body).body)


def test_the_body_says_what_the_command_says(tmp_path: Path) -> None:
    seen = overview_of_a_training(tmp_path)
    assert seen.current is not None
    assert seen.hold is not None
    of_the_call = {"roles": ["read", "write"], "endpoint": ENDPOINT, "in_service": IN_SERVICE}
    of_both = {"recorder": asdict(RECORDER), "copy": copy_json(COPY)}
    expected = {**overview.to_json(seen), **of_the_call, **of_both}
    assert json.loads(body_of(seen)) == json.loads(json.dumps(expected))


def test_the_body_fits_its_schema(tmp_path: Path) -> None:
    codec_of(StatusAnswer).validate_json(body_of(overview_of_a_training(tmp_path)), strict=True)


def test_an_empty_system_has_a_body(tmp_path: Path) -> None:
    seen = replace(overview_of_a_training(tmp_path), live=None, hold=None, current=None)
    empty = replace(seen, releases=(), runs=(), quality=(), progress=None)
    body = json.loads(body_of(empty))
    assert (body["live"], body["current_run"], body["releases"]) == (None, None, [])
