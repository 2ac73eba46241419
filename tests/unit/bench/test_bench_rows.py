"""Rows of results: what is written, what stays, and that a small version can't be taken for a full one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.report import rows
from bench.report.rows import Measure, results_folder, save


def measure(data: str, model: str, value: float) -> Measure:
    return Measure(
        metric="NDCG@10",
        value=value,
        unit="1",
        set=data,
        protocol="leave-one-out",
        model=model,
        note="3 users",
    )


def written(folder: Path) -> dict[tuple[str, str], float]:
    return {
        (row["set"], row["model"]): row["value"]
        for row in json.loads((folder / "quality.json").read_text())
    }


def test_what_was_not_measured_keeps_its_rows(tmp_path: Path) -> None:
    save(
        "quality",
        "a, b",
        [measure("a", "Freshet", 0.1), measure("b", "Freshet", 0.2), measure("b", "EASE", 0.3)],
        command="x",
        results=tmp_path,
    )
    save("quality", "b", [measure("b", "Freshet", 0.4)], command="x", results=tmp_path)
    assert written(tmp_path) == {("a", "Freshet"): 0.1, ("b", "EASE"): 0.3, ("b", "Freshet"): 0.4}
    page = (tmp_path / "quality.md").read_text()
    assert page.startswith("# quality on a, b\n")
    assert "| b | leave-one-out | Freshet | NDCG@10 | 0.4000 |" in page


def test_a_protocol_that_was_not_measured_keeps_its_rows(tmp_path: Path) -> None:
    ratings = replace(
        measure("a", "Freshet", 0.9), protocol="global time 80/20, static", metric="RMSE"
    )
    save(
        "quality",
        "a",
        [measure("a", "EASE", 0.1), measure("a", "Freshet", 0.2), ratings],
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


def test_plain_rows_are_replaced(tmp_path: Path) -> None:
    for metric in ("p50", "p99"):
        save(
            "serving",
            "demo",
            [Measure(metric=metric, value=1.0, unit="s")],
            command="x",
            results=tmp_path,
        )
    assert [row["metric"] for row in json.loads((tmp_path / "serving.json").read_text())] == ["p99"]


def test_small_versions_lie_apart_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "RESULTS", tmp_path)
    save("quality", "a", [measure("a", "Freshet", 0.1)], command="x")
    assert results_folder() == tmp_path
    monkeypatch.setenv("FRESHET_BENCH", "quick")
    save("quality", "a", [measure("a", "Freshet", 0.2)], command="x")
    assert written(tmp_path) == {("a", "Freshet"): 0.1}
    assert written(tmp_path / "quick") == {("a", "Freshet"): 0.2}
    assert "not to be quoted" in (tmp_path / "quick" / "quality.md").read_text()
    assert "not to be quoted" not in (tmp_path / "quality.md").read_text()


def test_the_command_is_written_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bench/__main__.py", "cold", "--sets", "a,b"])
    save(
        "cold",
        "a",
        [measure("a", "Freshet", 0.1)],
        command="python -m bench cold",
        results=tmp_path,
    )
    assert (
        json.loads((tmp_path / "cold.json").read_text())[0]["command"]
        == "python -m bench cold --sets a,b"
    )


def test_a_machine_that_lacks_a_package_names_the_versions_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PACKAGES", ("torch", "no-such-package"))
    save("quality", "a", [measure("a", "Freshet", 0.1)], command="x", results=tmp_path)
    assert list(json.loads((tmp_path / "quality.json").read_text())[0]["versions"]) == ["torch"]
