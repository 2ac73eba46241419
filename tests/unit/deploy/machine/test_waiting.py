"""What `make serve` prints while it waits for a release and for the gateway."""

from __future__ import annotations

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cron.ledger import journal_rows, run_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Segment, Switch
from cron.ports import Cursor
from deploy.machine.endpoints import Endpoints
from deploy.machine.waiting import (
    StartProgress,
    wait_for_answer,
    wait_for_release,
    wait_until_ready,
)
from tests.releases import publish_releases, reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_failed_baseline_is_reported_once_and_waited_for(
    ledger: Ledger, lease: Lease, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_rows.start(
        ledger, "baseline", reason=reason("nothing_live", ok=True), supersedes=None, lease=lease
    )
    refused = [reason("ServerRefused", ok=False)]
    run_rows.finish(ledger, run.run_id, "failed", reasons=refused, metrics={}, lease=lease)
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            publish_releases(ledger, lease, 1)

    live, why = wait_for_release(ledger, tmp_path, check)
    assert (live.version, why) == (1, None)
    printed = "".join(capfd.readouterr())
    assert printed.count("nothing is live yet: ServerRefused") == 1
    assert "the worker tries again by itself" in printed


def test_a_rollback_that_the_start_carries_out_is_shown(
    ledger: Ledger, lease: Lease, tmp_path: Path
) -> None:
    """The rollback of a stopped system changes what is live while the gateway is waited for."""
    publish_releases(ledger, lease, 1, 2)
    begun = switches.begin_rollback(ledger, 1, reason="by a person")
    live, why = wait_until_ready(
        ledger, tmp_path, lambda: None, wait_for_gateway=lambda: _end_switch(ledger, begun)
    )
    assert (live.version, why) == (1, None)


def _end_switch(ledger: Ledger, begun: Switch) -> None:
    assert switches.end(ledger, begun)


def test_collecting_events_is_reported_before_the_baseline(
    ledger: Ledger, lease: Lease, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A journal of millions takes minutes; without a terminal it is one line."""
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            publish_releases(ledger, lease, 1)
        else:
            name = f"journal/{looks}.parquet"
            segment = Segment(
                name=name,
                sha256="0" * 64,
                first_seq=looks,
                last_seq=looks,
                num_events=1,
                num_items=0,
                last_at=NOW,
            )
            journal_rows.commit_segment(ledger, segment, Cursor(str(looks)), lease)

    wait_for_release(ledger, tmp_path, check)
    assert capfd.readouterr().out.count("collecting events") == 1


def test_a_long_first_training_is_not_waited_for(
    ledger: Ledger, lease: Lease, tmp_path: Path
) -> None:
    publish_releases(ledger, lease, 0)
    run = run_rows.start(
        ledger, "full", reason=reason("first_training", ok=True), supersedes=None, lease=lease
    )
    folder = tmp_path / "runs" / str(run.run_id) / "candidate.partial"
    folder.mkdir(parents=True)
    (folder / "progress.json").write_text(
        '{"phase": "train", "done": 30, "total": 1000, "loss": null}', encoding="utf-8"
    )
    live, why = wait_for_release(ledger, tmp_path, lambda: None, patience_s=0.5)
    assert live.version == 0
    assert why == "training release 1: train, 3% done, which goes on and goes live by itself"


def test_a_log_has_how_far_the_first_training_is(
    ledger: Ledger, lease: Lease, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    publish_releases(ledger, lease, 0)
    run = run_rows.start(
        ledger, "full", reason=reason("first_training", ok=True), supersedes=None, lease=lease
    )
    folder = tmp_path / str(run.run_id) / "candidate.partial"
    folder.mkdir(parents=True)
    with StartProgress(ledger, tmp_path, every_s=0.0) as progress:
        for done in (30, 400):
            state = f'{{"phase": "train", "done": {done}, "total": 1000, "loss": null}}'
            (folder / "progress.json").write_text(state, encoding="utf-8")
            progress.show("training release 1")
    assert capfd.readouterr().out.splitlines() == [
        "  training release 1: train",
        "  training release 1: train, 40% done, 0 s so far",
    ]


def test_a_gateway_that_is_not_ready_for_long_is_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) > 3 else 503)
            self.end_headers()
            self.wfile.write(b"no model answers")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        where = Endpoints(
            gateway=f"http://127.0.0.1:{server.server_port}",
            server_host="",
            management_port=0,
            inference_port=0,
            model="rec",
        )
        wait_for_answer(where, lambda: None, report_after_s=0.0)
        server.shutdown()
    assert capsys.readouterr().out.count("/readyz, which says: 503 no model answers") == 1
