"""Our claims are measured: tables are rendered from the results, and the README quotes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report.rows import RESULTS, render
from bench.report.summary import readme_section, with_section
from bench.report.tables import PAGE, quality_page
from cron.project_root import PROJECT_ROOT

FILES = sorted(RESULTS.rglob("*.json"))


def value(bench: str, metric: str) -> float:
    """Return a value of the committed results."""
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


def test_small_versions_have_their_own_folder() -> None:
    for file in FILES:
        assert {row.get("extent") for row in json.loads(file.read_text())} == (
            {"quick"} if file.parent.name == "quick" else {None}
        )


def test_the_readmes_summary_is_rendered_from_the_rows() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert with_section(readme, readme_section()) == readme, "run: python -m bench tables"


def test_the_page_of_all_tables_is_rendered_from_the_rows() -> None:
    assert PAGE.read_text() == quality_page(), "run: python -m bench tables"


def test_another_value_changes_the_tables_and_the_summary(tmp_path: Path) -> None:
    rows = json.loads((RESULTS / "quality.json").read_text())
    (ours,) = [
        row
        for row in rows
        if (row["set"], row["model"], row["metric"]) == ("ml-100k", "Freshet", "NDCG@10")
    ]
    ours["value"] += 0.002
    (tmp_path / "quality.json").write_text(json.dumps(rows))
    row = next(line for line in quality_page().splitlines() if line.startswith("| ML-100K"))
    assert row not in quality_page(tmp_path)
    assert ".118 / .098 (RecTools SASRec)" in readme_section()
    assert ".120 / .098 (RecTools SASRec)" in readme_section(tmp_path)


def test_two_values_never_share_a_place(tmp_path: Path) -> None:
    rows = json.loads((RESULTS / "quality.json").read_text())
    (tmp_path / "quality.json").write_text(json.dumps([*rows, {**rows[0], "value": 0.5}]))
    with pytest.raises(ValueError, match="give the rows distinct labels"):
        quality_page(tmp_path)


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
    assert "| ML-100K, NDCG@10 | .093 |" in quality_page(tmp_path)


def test_a_mean_over_other_windows_is_left_out(tmp_path: Path) -> None:
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
            for line in quality_page(tmp_path).splitlines()
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
    assert "| ML-100K, gain in the windows after a full retrain |  | .125 | .250 |" in quality_page(
        tmp_path
    )


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the lines"):
        with_section("# Freshet", readme_section())


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
    next_answer = [1000 * fresh[f"next answer, {which}"] for which in ("p50", "p99")]
    cycle = {which: value("freshness", f"{which} cycle") for which in ("shortest", "median")}
    claims = [
        f"{next_answer[0]:.0f} ms (p50), {next_answer[1]:.0f} ms (p99)",
        f"{fresh['live weights, p50']:.0f} s (p50), {slow:.0f} s (p95)",
        f"{cycle['shortest']:.0f} s at the least, {cycle['median']:.0f} s mostly",
        f"{accepted * cycles:.0f} of {cycles:.0f}",
        f"{value('freshness', 'rollback, the whole command'):.1f} s",
        f"{value('freshness', 'second start to ready'):.0f} s",
    ]
    for load in ("score, 8 connections", "top-10, 8 connections", "top-10, 8 connections, 6 swaps"):
        rate, p99_ms = value("serving", f"{load}: requests"), value("serving", f"{load}: p99")
        claims.append(f"{rate:,.0f} requests/s, p99 {p99_ms:.0f} ms")
    shares = [
        value(
            "serving", f"top-10 of 200 users, gateway over TorchServe, {num} connections: requests"
        )
        for num in (8, 64)
    ]
    claims.append(f"{shares[0]:.0%} and {shares[1]:.0%} of".replace("%", " %"))
    assert [claim for claim in claims if claim not in readme] == []
    assert value("serving", "top-10, 8 connections, 6 swaps: failed") == 0
