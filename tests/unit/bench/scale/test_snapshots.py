"""The bench of snapshots makes those of a full retrain and of an update."""

from pathlib import Path

import pyarrow.parquet as pq

from bench.scale.costs import Size
from bench.scale.cycle import settings_of
from bench.scale.cycle_runs import call_with_services
from bench.scale.snapshots import NO_SERVER, full_costs, index_costs, update_costs, write_journal

SIZE = Size(num_items=200, num_events=4_000)


def test_snapshots_of_a_shop_have_its_events(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, NO_SERVER)
    call_with_services(write_journal, settings, SIZE)
    full = call_with_services(full_costs, settings, SIZE)
    index = call_with_services(index_costs, settings, SIZE)
    update = call_with_services(update_costs, settings, SIZE, 100)
    assert all(cost.value > 0 for cost in (*full, *index, *update))
    events = pq.read_table(tmp_path / "var" / "full" / "events.parquet")
    assert 3_000 < events.num_rows < 4_000, "all but the panel's"
    assert pq.read_metadata(tmp_path / "var" / "full" / "items.parquet").num_rows == 200
    new = pq.read_table(tmp_path / "var" / "update-100" / "events.parquet")
    assert 50 < sum(role == "target" for role in new["role"].to_pylist()) <= 100
