"""What `make serve` says while it waits: a run that made nothing live, a gateway that is not ready."""

from __future__ import annotations

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cron.ledger import open_ledger
from deploy import ready
from tests.releases import published, reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_start_whose_baseline_fails_says_why_once_and_waits_for_the_next(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    lease = ledger.acquire_lease("a worker", 30.0, NOW)
    assert lease is not None
    run = ledger.start_run("baseline", reason=reason("nothing_live", ok=True), supersedes=None, lease=lease)
    ledger.finish_run(run.run_id, "failed", reasons=[reason("ServerRefused", ok=False)], figures={}, lease=lease)
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            published(ledger, lease, 1)

    live, why = ready.wait_for_release(ledger, tmp_path, check)
    assert (live.version, why) == (1, None)
    printed = "".join(capfd.readouterr())
    assert printed.count("nothing is live yet: ServerRefused") == 1
    assert "the worker tries again by itself" in printed
    ledger.close()


def test_a_gateway_that_is_not_ready_for_long_is_quoted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ready, "TELL_AFTER_S", 0.0)
    monkeypatch.setattr(ready, "POLL_S", 0.01)
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
        where = ready.Endpoints(
            gateway=f"http://127.0.0.1:{server.server_port}", server_host="", management_port=0, inference_port=0, model="rec"
        )
        ready.wait_for_answer(where, lambda: None)
        server.shutdown()
    assert capsys.readouterr().out.count("/readyz, which says: 503 no model answers") == 1
