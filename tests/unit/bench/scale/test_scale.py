"""The bench of scale measures each size, and its trainings find what is planted."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.data.planted import Shop
from bench.data.shop_snapshots import PANEL_OF, shop_events, write_full, write_update
from bench.scale.costs import Cost, Size, draw, metrics_of
from bench.scale.ingestion import ingest_costs, store_costs
from bench.scale.lists import BATCH_SIZES, list_costs
from bench.scale.scale import PARTS
from trainer.data.dataset import read_events, read_items, read_manifest


def test_lists_are_measured_alone_in_a_batch_and_filtered() -> None:
    costs = list_costs(Size(num_items=400))
    assert len(costs) == 2 * len(BATCH_SIZES)
    assert len({cost.what for cost in costs}) == len(costs)
    assert all(cost.value > 0 and cost.peak_gib for cost in costs)


def test_a_cost_becomes_a_value_and_a_peak(tmp_path: Path) -> None:
    costs = [
        Cost(size=Size(num_items=size), what="a step", value=250.0, unit="ms", peak_gib=1.5)
        for size in (10, 1000)
    ]
    costs.append(Cost(size=Size(num_items=10, num_events=20), what="bytes", value=2.0, unit="MB"))
    rows = metrics_of(costs)
    assert [row.metric for row in rows[:2]] == ["10 items, a step", "10 items, a step: peak memory"]
    assert [(row.value, row.unit) for row in rows[2:4]] == [(250.0, "ms"), (1.5, "GiB")]
    assert rows[4].metric == "10 items, 20 events, bytes"
    draw(costs, tmp_path / "curve.png", title="Costs")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_way_of_events_is_measured_step_by_step() -> None:
    size = Size(num_items=200, num_events=1_000)
    costs = [*ingest_costs(size), *store_costs(size)]
    assert len({cost.what for cost in costs}) == len(costs)
    assert all(cost.value > 0 for cost in costs)
    assert [cost.what for cost in costs][:2] == ["ingest from CSV", "ingest from Parquet"]
    collecting = [cost.what for cost in costs if cost.what.startswith("collecting")]
    assert collecting == ["collecting, part 1 of 3", "collecting, part 3 of 3"]


def test_the_small_version_needs_no_packages_of_peers() -> None:
    assert all(part.sizes for part in PARTS.values())
    assert [name for name, part in PARTS.items() if not part.small_sizes] == ["peers"]


def test_a_full_snapshot_trains_on_all_but_the_panel(tmp_path: Path) -> None:
    shop = Shop(200, 5_000)
    data = shop_events(shop)
    folder = write_full(tmp_path / "full", shop, data)
    events = read_events(folder / "events.parquet")
    panel = read_events(folder / "panel.parquet")
    assert len(events) == read_manifest(folder).num_targets == int((~data.panel_E).sum())
    assert all(int(user[1:]) % PANEL_OF == 0 for user in panel.users)
    assert not {*panel.users} & {*events.users}
    assert panel.role_is("score").sum() >= 5
    assert len(list(read_items(folder / "items.parquet"))) == 200
    met = set(zip(events.user_E.tolist(), events.item_E.tolist(), strict=True))
    assert events.first_E.sum() == len(met)


def test_an_update_has_new_events_replay_and_context(tmp_path: Path) -> None:
    shop = Shop(200, 20_000)
    data = shop_events(shop)
    candidate = tmp_path / "candidate"
    for name in ("bundle", "state"):
        (candidate / name).mkdir(parents=True)
    folder = write_update(tmp_path / "update", shop, data, candidate, num_new=100)
    table = pq.read_table(folder / "events.parquet")
    roles = table["role"].to_numpy(zero_copy_only=False)
    at_us = table["at_us"].to_numpy()
    assert (roles == "target").sum() == 100
    assert at_us[roles == "target"].min() >= at_us[roles != "target"].max()
    assert 1_000 < (roles == "replay").sum() <= 2_000
    assert (folder / "live").is_dir()
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["mode"] == "update"
    assert np.isin(roles, ["target", "replay", "context"]).all()
