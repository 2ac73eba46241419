"""What `make serve` says while it waits: a run that made nothing live, a gateway that is not ready."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cron.ledger import journal_rows, lease_row, release_rows, run_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease, Segment
from cron.ports import Cursor
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.tree import GatewaySettings, Settings, StoreSettings
from deploy.machine import ready, serve
from deploy.machine.first_data import Note
from deploy.machine.preflight import NotReady
from deploy.stack import ready as stack_ready
from deploy.stack.layout import layout
from tests.releases import publish_releases, reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Ledger, Lease]]:
    """An empty ledger in `tmp_path`, and its lease."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    lease = lease_row.acquire(ledger, "a worker", 30.0, NOW)
    assert lease is not None
    yield ledger, lease
    ledger.close()


def test_a_start_whose_baseline_fails_says_why_once_and_waits_for_the_next(
    held: tuple[Ledger, Lease], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger, lease = held
    run = run_rows.start(
        ledger, "baseline", reason=reason("nothing_live", ok=True), supersedes=None, lease=lease
    )
    run_rows.finish(
        ledger,
        run.run_id,
        "failed",
        reasons=[reason("ServerRefused", ok=False)],
        metrics={},
        lease=lease,
    )
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            publish_releases(ledger, lease, 1)

    live, why = ready.wait_for_release(ledger, tmp_path, check)
    assert (live.version, why) == (1, None)
    printed = "".join(capfd.readouterr())
    assert printed.count("nothing is live yet: ServerRefused") == 1
    assert "the worker tries again by itself" in printed


def test_a_start_says_how_much_is_collected_before_the_baseline(
    held: tuple[Ledger, Lease], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A journal of millions takes minutes; without a terminal it is one line."""
    ledger, lease = held
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

    ready.wait_for_release(ledger, tmp_path, check)
    assert capfd.readouterr().out.count("collecting events") == 1


def test_a_gateway_that_is_not_ready_for_long_is_quoted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
            gateway=f"http://127.0.0.1:{server.server_port}",
            server_host="",
            management_port=0,
            inference_port=0,
            model="rec",
        )
        ready.wait_for_answer(where, lambda: None)
        server.shutdown()
    assert capsys.readouterr().out.count("/readyz, which says: 503 no model answers") == 1


def test_the_commands_of_the_ready_block_show_the_keys_that_are_asked_for(
    held: tuple[Ledger, Lease], tmp_path: Path
) -> None:
    keys = tmp_path / "my var" / "torchserve" / "key_file.json"
    keys.parent.mkdir(parents=True)
    keys.write_text(json.dumps({"management": {"key": "m"}, "inference": {"key": "i"}}))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    ledger, lease = held
    publish_releases(ledger, lease, 1)
    live = release_rows.live(ledger)
    assert live is not None
    store = StoreSettings(server=f"torchserve://127.0.0.1:8081/rec?inference=8080&keys={keys}")
    where = ready.endpoints(Settings(gateway=GatewaySettings(api_key="hush"), store=store))
    block = ready.ready_block(live, None, where, data="d", user_id="7")
    shown = [
        _headers(line.strip(), tmp_path) for line in block.splitlines() if line.startswith("  curl")
    ]
    assert shown == ["Authorization: Bearer i"] * 2 + ["Authorization: Bearer hush"]
    assert "hush" not in block
    place = layout(load_settings(PROJECT_ROOT / "deploy" / "cluster.toml", {}).settings)
    note = Note(path="d", part="0:1", user_id="7")
    stack = stack_ready.ready_block(
        live, None, place, note=note, secrets=tmp_path / "secrets.env", asks_for_key=True
    )
    assert [
        _headers(line.strip(), tmp_path) for line in stack.splitlines() if line.startswith("  curl")
    ] == ["Authorization: Bearer hush"]
    plain = ready.ready_block(live, None, ready.endpoints(Settings()), data="d", user_id="7")
    assert "Authorization" not in plain


def _headers(command: str, folder: Path) -> str:
    """Return the header with a key that a pasted command would send."""
    script = f"curl() {{ printf '%s\\n' \"$@\"; }}\n{command}"
    environment = {"FRESHET__GATEWAY__API_KEY": "hush", "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return next(line for line in said.splitlines() if line.startswith("Authorization"))


def test_keys_that_torchserve_will_not_write_there_are_told_at_once(tmp_path: Path) -> None:
    own = tmp_path / "torchserve" / "key_file.json"
    for file in (own, tmp_path / "x" / ".." / "torchserve" / "key_file.json"):
        serve._check_keys(ready.endpoints(_with_keys(file)), tmp_path)
    serve._check_keys(ready.endpoints(Settings()), tmp_path)
    with pytest.raises(NotReady, match=f"keys=/srv/other.json in FRESHET__STORE__SERVER: .* {own}"):
        serve._check_keys(ready.endpoints(_with_keys(Path("/srv/other.json"))), tmp_path)


def _with_keys(file: Path) -> Settings:
    return Settings(
        store=StoreSettings(server=f"torchserve://127.0.0.1:8081/rec?inference=8080&keys={file}")
    )
