"""The commands in the ready blocks of `make serve` and `make stack`."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from cron.ledger import release_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.tree import GatewaySettings, Settings, StoreSettings
from deploy.machine.endpoints import endpoints
from deploy.machine.first_data import Note
from deploy.machine.ready import ready_block
from deploy.stack.layout import layout
from deploy.stack.ready import ready_block as stack_ready_block
from tests.releases import publish_releases

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_commands_of_the_ready_block_send_the_needed_keys(
    ledger: Ledger, lease: Lease, tmp_path: Path
) -> None:
    keys = tmp_path / "my var" / "torchserve" / "key_file.json"
    keys.parent.mkdir(parents=True)
    keys.write_text(json.dumps({"management": {"key": "m"}, "inference": {"key": "i"}}))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    publish_releases(ledger, lease, 1)
    live = release_rows.live(ledger)
    assert live is not None
    store = StoreSettings(server=f"torchserve://127.0.0.1:8081/rec?inference=8080&keys={keys}")
    where = endpoints(Settings(gateway=GatewaySettings(api_key="hush"), store=store))
    block = ready_block(live, None, where, data="d", user_id="7")
    sent = [
        _headers(line.strip(), tmp_path) for line in block.splitlines() if line.startswith("  curl")
    ]
    assert sent == ["Authorization: Bearer i"] * 2 + ["Authorization: Bearer hush"]
    assert "hush" not in block
    place = layout(load_settings(PROJECT_ROOT / "deploy" / "cluster.toml", {}).settings)
    note = Note(path="d", part="0:1", user_id="7")
    stack = stack_ready_block(
        live, None, place, note=note, secrets=tmp_path / "secrets.env", asks_for_key=True
    )
    assert [
        _headers(line.strip(), tmp_path) for line in stack.splitlines() if line.startswith("  curl")
    ] == ["Authorization: Bearer hush"]
    plain = ready_block(live, None, endpoints(Settings()), data="d", user_id="7")
    assert "Authorization" not in plain


def _headers(command: str, folder: Path) -> str:
    """Return the header with a key that a pasted command would send."""
    script = f"curl() {{ printf '%s\\n' \"$@\"; }}\n{command}"
    environment = {"FRESHET__GATEWAY__API_KEY": "hush", "PATH": "/usr/bin:/bin"}
    printed = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return next(line for line in printed.splitlines() if line.startswith("Authorization"))
