"""The bench of scale measures each size once and draws a line for each kind of work."""

from pathlib import Path

from bench.speed.scale import BATCH_SIZES, Cost, draw, metrics_of, ranking_costs


def test_lists_are_measured_alone_in_a_batch_and_filtered() -> None:
    costs = ranking_costs(400)
    assert len(costs) == 2 * len(BATCH_SIZES)
    assert len({cost.what for cost in costs}) == len(costs)
    assert all(cost.seconds > 0 and cost.peak_gib > 0 for cost in costs)


def test_a_cost_becomes_a_time_and_a_peak(tmp_path: Path) -> None:
    costs = [
        Cost(num_items=size, what="a step", seconds=0.25, peak_gib=1.5, note="all items")
        for size in (10, 1000)
    ]
    rows = metrics_of(costs)
    assert [row.metric for row in rows[:2]] == ["10 items, a step", "10 items, a step: peak memory"]
    assert [(row.value, row.unit) for row in rows[2:]] == [(250.0, "ms"), (1.5, "GiB")]
    draw(costs, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
