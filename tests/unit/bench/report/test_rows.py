"""Rows of results: what is written, what stays, and how small versions are kept apart."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from bench.report.rows import BenchMetric, results_folder, save, versions_of


def row(data: str, model: str, value: float) -> BenchMetric:
    return BenchMetric(
        metric="NDCG@10",
        value=value,
        unit="1",
        set=data,
        protocol="leave-one-out",
        model=model,
        note="3 users",
    )


def values_in(folder: Path) -> dict[tuple[str, str], float]:
    return {
        (stored["set"], stored["model"]): stored["value"]
        for stored in json.loads((folder / "quality.json").read_text())
    }


def test_sets_and_models_not_measured_keep_their_rows(tmp_path: Path) -> None:
    save(
        "quality",
        "a, b",
        [row("a", "Freshet", 0.1), row("b", "Freshet", 0.2), row("b", "EASE", 0.3)],
        command="x",
        results=tmp_path,
    )
    save("quality", "b", [row("b", "Freshet", 0.4)], command="x", results=tmp_path)
    assert values_in(tmp_path) == {("a", "Freshet"): 0.1, ("b", "EASE"): 0.3, ("b", "Freshet"): 0.4}
    page = (tmp_path / "quality.md").read_text()
    assert page.startswith("# quality on a, b\n")
    assert "| b | leave-one-out | Freshet | NDCG@10 | 0.4000 |" in page


def test_protocols_not_measured_keep_their_rows(tmp_path: Path) -> None:
    ratings = replace(row("a", "Freshet", 0.9), protocol="global time 80/20, static", metric="RMSE")
    save(
        "quality",
        "a",
        [row("a", "EASE", 0.1), row("a", "Freshet", 0.2), ratings],
        command="x",
        results=tmp_path,
    )
    save("quality", "a", [replace(ratings, value=0.8)], command="x", results=tmp_path)
    found = [
        (row["model"], row["metric"], row["value"])
        for row in json.loads((tmp_path / "quality.json").read_text())
    ]
    assert found == [
        ("EASE", "NDCG@10", 0.1),
        ("Freshet", "NDCG@10", 0.2),
        ("Freshet", "RMSE", 0.8),
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0.0000"), (5.1e-8, "5.1e-08"), (0.069, "0.0690"), (1234.5, "1,234.5")],
)
def test_a_tiny_value_is_not_written_as_zero(tmp_path: Path, value: float, written: str) -> None:
    save("quality", "a", [row("a", "Freshet", value)], command="x", results=tmp_path)
    assert f"| NDCG@10 | {written} |" in (tmp_path / "quality.md").read_text()


def test_plain_rows_are_replaced(tmp_path: Path) -> None:
    for metric in ("p50", "p99"):
        save(
            "serving",
            "demo",
            [BenchMetric(metric=metric, value=1.0, unit="s")],
            command="x",
            results=tmp_path,
        )
    assert [row["metric"] for row in json.loads((tmp_path / "serving.json").read_text())] == ["p99"]


def test_small_versions_have_their_own_folder_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("quality", "a", [row("a", "Freshet", 0.1)], command="x", results=tmp_path)
    assert results_folder(tmp_path) == tmp_path
    monkeypatch.setenv("FRESHET_BENCH", "quick")
    save("quality", "a", [row("a", "Freshet", 0.2)], command="x", results=tmp_path)
    assert values_in(tmp_path) == {("a", "Freshet"): 0.1}
    assert values_in(tmp_path / "quick") == {("a", "Freshet"): 0.2}
    assert "not to be quoted" in (tmp_path / "quick" / "quality.md").read_text()
    assert "not to be quoted" not in (tmp_path / "quality.md").read_text()


def test_the_command_is_written_with_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["cold", "--sets", "a,b", "--timm", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["/somewhere/bench/__main__.py", *given])
    save(
        "cold",
        "a",
        [row("a", "Freshet", 0.1)],
        command="python -m bench cold",
        results=tmp_path,
    )
    assert (
        json.loads((tmp_path / "cold.json").read_text())[0]["command"]
        == "python -m bench cold --sets a,b --timm FOLDER"
    )


def test_only_installed_packages_have_a_version() -> None:
    assert versions_of(("torch", "no-such-package")) == {"torch": version("torch")}
