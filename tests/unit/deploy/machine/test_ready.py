"""The commands in the ready blocks of `make serve` and `make stack`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cron.ledger import key_rows, release_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Release
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.tree import GatewaySettings, Settings, StoreSettings
from deploy.machine.endpoints import endpoints
from deploy.machine.first_data import Note
from deploy.machine.ready import FILMS, has_keys, ready_block
from deploy.stack.layout import layout
from deploy.stack.ready import ready_block as stack_ready_block
from tests.releases import publish_releases
from trainer.report import PopularItem

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def live_release(ledger: Ledger, lease: Lease, **changes: object) -> Release:
    """Return a live release whose manifest has these values."""
    publish_releases(ledger, lease, 1)
    live = release_rows.live(ledger)
    assert live is not None
    return replace(live, manifest=msgspec.structs.replace(live.manifest, **changes))


def test_the_examples_are_about_the_shops_own_items(ledger: Ledger, lease: Lease) -> None:
    """A shop without ratings was shown a request for the rating of a film."""
    popular = [PopularItem(item_id=f"sku-{n}", title=t) for n, t in enumerate(["Kettle", None])]
    popular.append(PopularItem(item_id="sku-2", title="Lamp"))
    live = live_release(ledger, lease, popular=tuple(popular))
    block = ready_block(live, None, endpoints(Settings()), data="d", user_id="7")
    assert '{"user_seq": ["Kettle", "sku-1"], "k": 5}' in block
    assert "item_desc" not in block
    rated = replace(live, manifest=msgspec.structs.replace(live.manifest, rating_scale=(1.0, 5.0)))
    block = ready_block(rated, None, endpoints(Settings()), data="d", user_id="7")
    assert '{"user_seq": ["Kettle", "sku-1"], "item_desc": "Lamp"}' in block
    assert "Toy Story" not in block
    few = replace(live, manifest=msgspec.structs.replace(live.manifest, popular=popular[:2]))
    block = ready_block(few, None, endpoints(Settings()), data="d", user_id="7")
    assert "User 7, whose" in block
    assert "user_seq" not in block


def test_the_commands_of_the_ready_block_send_the_needed_keys(
    ledger: Ledger, lease: Lease, tmp_path: Path
) -> None:
    keys = tmp_path / "my var" / "torchserve" / "key_file.json"
    keys.parent.mkdir(parents=True)
    keys.write_text(json.dumps({"management": {"key": "m"}, "inference": {"key": "i"}}))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    film = PopularItem(item_id="1", title=FILMS[0])
    live = live_release(ledger, lease, rating_scale=(1.0, 5.0), popular=(film,))
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


def test_keys_that_were_made_are_asked_for_at_the_next_start(ledger: Ledger, lease: Lease) -> None:
    """Also after the last one was revoked, since the gateway's door stays closed then."""
    assert not has_keys(ledger)
    key_rows.add(ledger, "me", "digest", roles=("read",), origins=(), created_by="ann")
    key_rows.revoke(ledger, "me")
    assert has_keys(ledger)
    where = replace(endpoints(Settings()), asks_for_key=has_keys(ledger))
    block = ready_block(live_release(ledger, lease), None, where, data="d", user_id="7")
    assert "  export FRESHET__GATEWAY__API_KEY=KEY\n" in block
    curl = next(line for line in block.splitlines() if "/v1/recommendations/7" in line)
    assert 'Bearer $FRESHET__GATEWAY__API_KEY"' in curl


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
