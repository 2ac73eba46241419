"""What we claim was measured: tables are rendered from the JSON beside them, and the README's figures are those."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report.rows import RESULTS, render
from bench.report.tables import quality_section, with_section
from cron.wiring import PROJECT_ROOT

FILES = sorted(RESULTS.rglob("*.json"))


def value(bench: str, metric: str) -> float:
    """Return a figure of the committed results."""
    rows = json.loads((RESULTS / f"{bench}.json").read_text())
    (found,) = [row["value"] for row in rows if row["metric"] == metric]
    assert isinstance(found, int | float)
    return found


def test_there_are_results() -> None:
    assert {file.stem for file in FILES} >= {"freshness", "serving"}


@pytest.mark.parametrize(
    "file", FILES, ids=lambda file: str(file.relative_to(RESULTS).with_suffix(""))
)
def test_every_table_is_rendered_from_its_rows(file: Path) -> None:
    assert file.with_suffix(".md").read_text() == render(json.loads(file.read_text()))


def test_small_versions_lie_apart() -> None:
    for file in FILES:
        assert {row.get("extent") for row in json.loads(file.read_text())} == (
            {"quick"} if file.parent.name == "quick" else {None}
        )


def test_the_readmes_section_on_quality_is_rendered_from_the_rows() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert with_section(readme, quality_section()) == readme, "run: python -m bench tables"


def test_another_figure_would_be_another_section(tmp_path: Path) -> None:
    rows = json.loads((RESULTS / "quality.json").read_text())
    (ours,) = [
        row
        for row in rows
        if (row["set"], row["model"], row["metric"]) == ("ml-100k", "Freshet", "NDCG@10")
    ]
    ours["value"] += 0.002
    (tmp_path / "quality.json").write_text(json.dumps(rows))
    row = next(line for line in quality_section().splitlines() if line.startswith("| ML-100K"))
    assert row not in quality_section(tmp_path)


def test_two_figures_never_share_a_place(tmp_path: Path) -> None:
    rows = json.loads((RESULTS / "quality.json").read_text())
    (tmp_path / "quality.json").write_text(json.dumps([*rows, {**rows[0], "value": 0.5}]))
    with pytest.raises(ValueError, match="what tells them apart"):
        quality_section(tmp_path)


def test_a_stream_of_one_window_has_a_quality_and_no_cost(tmp_path: Path) -> None:
    line = {
        "bench": "prequential",
        "set": "ml-100k",
        "protocol": "prequential",
        "model": "static",
        "metric": "NDCG@10",
        "value": 0.0931,
    }
    (tmp_path / "prequential.json").write_text(
        json.dumps([{**line, "seconds": 0.0, "note": "1 windows", "hardware": "a machine"}])
    )
    assert "| ML-100K, NDCG@10 | .093 |" in quality_section(tmp_path)


def test_a_mean_over_other_windows_does_not_stand_beside_the_others(tmp_path: Path) -> None:
    rows = [
        row
        for row in json.loads((RESULTS / "prequential.json").read_text())
        if row["set"] == "ml-100k"
    ]
    for count, cell in ((20, ".113"), (4, "")):
        for row in rows:
            if row["model"] == "full":
                row |= {
                    "note": f"{count} windows",
                    **({"value": 0.113} if row["metric"] == "NDCG@10" else {}),
                }
        (tmp_path / "prequential.json").write_text(json.dumps(rows))
        line = next(
            line
            for line in quality_section(tmp_path).splitlines()
            if line.startswith("| ML-100K, NDCG@10")
        )
        assert line.split(" | ")[-1] == f"{cell} |"


def test_gains_beside_full_retrains_are_of_their_windows(tmp_path: Path) -> None:
    line = {
        "bench": "prequential",
        "set": "ml-100k",
        "protocol": "prequential",
        "seconds": 0.0,
        "hardware": "a machine",
    }
    shares = {"static": 0.8, "update": 0.9, "full": 1.0}
    rows = [
        {**line, "model": model, "metric": "share of full", "value": share, "note": "20 windows"}
        for model, share in shares.items()
    ]
    means = [{**row, "metric": "NDCG@10"} for row in rows]
    (tmp_path / "prequential.json").write_text(json.dumps([*rows, *means]))
    assert (
        "| ML-100K, gain in the windows after a full retrain |  | .125 | .250 |"
        in quality_section(tmp_path)
    )


def test_a_readme_without_its_place_is_said() -> None:
    with pytest.raises(ValueError, match="expected the lines"):
        with_section("# Freshet", quality_section())


def test_the_readme_quotes_the_results() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    fresh = {
        name: value("freshness", f"event to {name}")
        for name in ("next answer, p50", "next answer, p99", "live weights, p50")
    }
    slow = value("freshness", "event to live weights, p95")
    cycles, accepted = (
        value("freshness", "update cycles"),
        value("freshness", "accepted share of the update cycles"),
    )
    claims = [
        f"{1000 * fresh['next answer, p50']:.0f} ms (p50), {1000 * fresh['next answer, p99']:.0f} ms (p99)",
        f"{fresh['live weights, p50']:.0f} s (p50), {slow:.0f} s (p95)",
        f"{value('freshness', 'shortest cycle'):.0f} s at the least, {value('freshness', 'median cycle'):.0f} s mostly",
        f"{accepted * cycles:.0f} of {cycles:.0f}",
        f"{value('freshness', 'rollback, the whole command'):.1f} s",
        f"{value('freshness', 'second start to ready'):.0f} s",
    ]
    for load in ("score, 8 connections", "top-10, 8 connections", "top-10, 8 connections, 6 swaps"):
        claims.append(
            f"{value('serving', f'{load}: requests'):,.0f} requests/s, p99 {value('serving', f'{load}: p99'):.0f} ms"
        )
    assert [claim for claim in claims if claim not in readme] == []
    assert value("serving", "top-10, 8 connections, 6 swaps: failed") == 0
