"""The files of a snapshot: items, bundles, manifest, and what is written nowhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cron.ports import Cursor
from cron.settings.tree import GateSettings
from cron.snapshot.panel import Panel, key_id
from cron.snapshot.panel_choice import choose_panel_share
from cron.snapshot.pools import SIZES, JournalParts, PoolSizes
from recommender.arrays.bases import Bases
from recommender.arrays.layers import load_arrays, save_arrays
from tests.component.house import House
from tests.component.snapshots import (
    EVENTS,
    REQUEST,
    SHARE,
    SMALL,
    USERS,
    WHOLE,
    Build,
    fill,
    rows,
)
from tests.contracts.records import item
from trainer.config import TrainConfig


@pytest.fixture
def house(house: House) -> House:
    """Return the shared empty house with `EVENTS` in its journal."""
    fill(house)
    return house


def test_the_newest_word_on_an_item_stands(house: House, tmp_path: Path, build: Build) -> None:
    known = replace(item(5, "b"), text="text", attributes={"genre": ("x", "y"), "year": 1995.0})
    house.journal.accept(
        [item(2, "a", hidden=True), item(1, "a"), item(9, "c"), known], Cursor("0"), house.lease
    )
    house.journal.accept([replace(item(10, "c"), title="Renamed")], Cursor("0"), house.lease)
    build(
        house.journal,
        replace(REQUEST, target_range=(501, 605), items_through=604),
        tmp_path / "out",
    )
    found = {row["item_id"]: row for row in rows(tmp_path / "out", "items.parquet")}
    assert list(found) == ["a", "b", "c"]
    assert [found[name]["hidden"] for name in "abc"] == [True, False, False]
    assert found["c"]["title"] == "Item c", "the renaming came after items_through"
    assert json.loads(str(found["b"]["attributes"])) == {"genre": ["x", "y"], "year": 1995.0}
    assert (found["b"]["text"], found["a"]["text"]) == ("text", None)


def test_bundles_and_state_are_copied(house: House, tmp_path: Path, build: Build) -> None:
    for name in ("live", "anchor"):
        (tmp_path / name / "encoder").mkdir(parents=True)
        (tmp_path / name / "encoder" / "weights").write_text(name)
    state = tmp_path / "optimizer-17.safetensors"
    save_arrays({"m": torch.ones(9, 2)}, state, parent=None, whole_bytes=1)
    with_bundles = replace(
        REQUEST,
        live=tmp_path / "live",
        anchor=tmp_path / "anchor",
        state=state,
        live_version=17,
        anchor_version=3,
    )
    out = tmp_path / "out"
    build(house.journal, with_bundles, out)
    assert [(out / name / "encoder" / "weights").read_text() for name in ("live", "anchor")] == [
        "live",
        "anchor",
    ]
    copied = out / "state" / "optimizer.safetensors"
    assert load_arrays(copied, Bases(folder=copied.parent))["m"].equal(torch.ones(9, 2))
    build(house.journal, REQUEST, tmp_path / "bare")
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == [
        "events.parquet",
        "fresh.parquet",
        "items.parquet",
        "manifest.json",
        "older.parquet",
        "panel.parquet",
    ]


def test_the_manifest_says_what_was_asked_and_found(
    house: House, tmp_path: Path, build: Build
) -> None:
    info = build(
        house.journal, replace(REQUEST, excluded=((3, 4),), live_version=2), tmp_path / "out"
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    agreed = {
        "format": 2,
        "mode": "update",
        "target_range": [501, 600],
        "items_through": 600,
        "panel_share": SHARE,
        "excluded": [[3, 4]],
    }
    agreed |= {
        "live_version": 2,
        "anchor_version": None,
        "seed": 0,
        "data_digest": info.data_digest,
    }
    agreed |= {"num_targets": info.num_targets, "num_replay": info.num_replay}
    assert {name: manifest[name] for name in agreed} == agreed


def test_the_same_request_gives_the_same_digest(house: House, tmp_path: Path, build: Build) -> None:
    first = build(house.journal, REQUEST, tmp_path / "out")
    made_at = (tmp_path / "out" / "events.parquet").stat().st_mtime_ns
    assert build(house.journal, REQUEST, tmp_path / "out") == first
    assert (tmp_path / "out" / "events.parquet").stat().st_mtime_ns == made_at
    assert build(house.journal, REQUEST, tmp_path / "other") == first
    assert (
        build(house.journal, replace(REQUEST, seed=1), tmp_path / "out").data_digest
        != first.data_digest
    )


def test_a_half_made_snapshot_is_made_again(house: House, tmp_path: Path, build: Build) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "events.parquet").write_text("half")
    build(house.journal, REQUEST, tmp_path / "out")
    assert rows(tmp_path / "out", "events.parquet", "target") != []
    assert not (tmp_path / "out.partial").exists()


def test_the_panels_secret_is_written_nowhere(house: House, tmp_path: Path, build: Build) -> None:
    secret = "5ecret" * 9
    build(
        house.journal,
        replace(REQUEST, panel=Panel(share=SHARE, key=key_id(secret), secret=secret)),
        tmp_path / "out",
    )
    assert not any(secret.encode() in file.read_bytes() for file in (tmp_path / "out").iterdir())
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["panel_key"] == key_id(
        secret
    )


def parts_of(
    house: House, sizes: PoolSizes, excluded: tuple[tuple[int, int], ...] = ()
) -> JournalParts:
    return JournalParts.of(house.journal, 600, excluded=excluded, sizes=sizes)


@pytest.mark.parametrize("sizes", [SIZES, SMALL])
def test_the_panel_share_counts_what_is_not_excluded(house: House, sizes: PoolSizes) -> None:
    gate = GateSettings(min_users=2, min_events=20, min_panel_share=0.01, max_panel_share=0.9)
    train = TrainConfig()
    whole = choose_panel_share(parts_of(house, sizes), WHOLE, gate, train)
    users = sorted((WHOLE.fraction(user), user) for user in USERS)
    assert whole == pytest.approx(users[2][0], abs=1e-4), "two users and a fifth more, so three"
    gone = tuple(
        (number, number) for number, one in enumerate(EVENTS, start=1) if one.user_id == users[0][1]
    )
    without = choose_panel_share(parts_of(house, sizes, gone), WHOLE, gate, train)
    assert without == pytest.approx(users[3][0], abs=1e-4)


def test_parts_that_are_never_enough_stop_growing(house: House) -> None:
    parts = parts_of(house, replace(SMALL, most=150))
    newest = parts.newest(600, lambda _: False)
    assert sorted(newest.seq_N) == list(range(600 - 4 * 64 + 1, 601))
    assert 150 <= len(parts.spread(600, 40, lambda _: False).seq_N) < 600
