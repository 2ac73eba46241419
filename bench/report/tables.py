"""Render what was measured: every `bench/results/*.md` from the JSON beside it, and the README's section on quality.

    .venv/bin/python -m bench tables

The section stands between two marks in the README; a test holds it to the rows. Small versions
never get there.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.ranking.cold import ALL, ANY, NEW, OTHERS, OURS
from bench.ranking.prequential import PROTOCOL as STREAM
from bench.ranking.ratings import PROTOCOL as RATINGS
from bench.report.rows import RESULTS, render
from bench.speed.training import PROTOCOL as TRAINING
from cron.wiring import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"
BEGIN = "<!-- what follows is rendered from bench/results by: python -m bench tables -->"
END = "<!-- up to here -->"
NAMES = {"ml-100k": "ML-100K", "ml-1m": "ML-1M", "beauty": "Amazon Beauty"}
STREAM_LINES = {
    "static": "never retrained",
    "control": "trained on, old events only",
    "update": "updates",
    "accepted": "updates that the gate let through",
    "rolling": "updates, two full retrains between them",
    "full": "full retrains",
}
Rows = Sequence[Mapping[str, object]]


def quality_section(results: Path = RESULTS) -> str:
    """Return the section: a table a question, and nothing for a question that has no rows yet."""
    quality, stream, cold, training = (
        _rows(results, bench) for bench in ("quality", "prequential", "cold", "training")
    )
    parts = [
        _table(
            "**The next thing a user does**, among all items, seen ones filtered (leave-one-out, as in the papers): NDCG@10 / HR@10",
            [row for row in quality if row["protocol"] == "leave-one-out"],
            ("NDCG@10", "HR@10"),
        ),
        _table(
            "**Ratings** of the last fifth of the timeline: RMSE; progressive ones know what the user did before the rating",
            _ratings(quality),
            ("RMSE",),
        ),
        _table(
            "**Does retraining pay?** Every event scored before it is learned, the second half of the timeline in windows",
            _stream(stream),
            ("",),
        ),
        _curves(stream),
        _table(
            "**Items that nobody has met**, from their text alone: NDCG@10 / HR@10",
            _cold(cold),
            ("NDCG@10", "HR@10"),
        ),
        _table(
            "**Training**, a thread each: how many times faster than RecTools' SASRec",
            _ratios(training),
            ("times",),
        ),
    ]
    written = "\n\n".join(part for part in parts if part)
    return f"{BEGIN}\n{written}\n\n{_origin([*quality, *stream, *cold, *training])}\n{END}"


def _rows(results: Path, bench: str) -> Rows:
    path = results / f"{bench}.json"
    rows: list[Mapping[str, object]] = json.loads(path.read_text()) if path.exists() else []
    order = list(NAMES)
    return sorted(
        rows, key=lambda row: order.index(str(row["set"])) if row["set"] in NAMES else len(order)
    )


def _ratings(rows: Rows) -> Rows:
    """Return a row for static models and one for progressive ones: they are not to be compared with each other."""
    kept = [row for row in rows if str(row["protocol"]).startswith(RATINGS)]
    return [
        {
            **row,
            "set": f"{NAMES[str(row['set'])]}, {str(row['protocol']).removeprefix(f'{RATINGS}, ')}",
        }
        for row in kept
    ]


def _stream(rows: Rows) -> Rows:
    """Return each line's mean and gain over all windows, its gain and share where full retrains were made, and what a retraining costs.

    Full retrains were not made in all windows, so their mean is of other windows and is left to the
    full table.
    """
    kept = [row for row in rows if row["protocol"] == STREAM and row["model"] in STREAM_LINES]
    num_windows = {row["set"]: _windows(row) for row in kept if row["model"] == "static"}
    shown: list[Mapping[str, object]] = []
    for name in dict.fromkeys(str(row["set"]) for row in kept):
        of_set = [row for row in kept if row["set"] == name]
        means = [row for row in of_set if row["metric"] == "NDCG@10"]
        costs = [
            {**row, "value": float(str(row["seconds"])) / max(1, _retrainings(row))}
            for row in means
        ]
        shares = [row for row in of_set if row["metric"] == "share of full"]
        never = next((float(str(row["value"])) for row in shares if row["model"] == "static"), 1.0)
        figures: dict[str, Rows] = {
            "NDCG@10": [row for row in means if _windows(row) == num_windows[name]],
            "gain over never": [
                row
                for row in of_set
                if row["metric"] == "gain over static" and row["model"] not in ("static", "full")
            ],
            "gain in the windows after a full retrain": [
                {**row, "value": float(str(row["value"])) / never - 1}
                for row in shares
                if row["model"] != "static"
            ],
            "NDCG@10 there, as a share of the full retrains'": shares,
            "processor seconds each time": [row for row in costs if row["value"]],
        }
        shown += [
            {
                **row,
                "set": f"{NAMES[name]}, {figure}",
                "model": STREAM_LINES[str(row["model"])],
                "metric": "",
            }
            for figure, found in figures.items()
            for row in found
        ]
    return shown


def _curves(rows: Rows) -> str:
    links = [
        f"[{NAMES[name]}](bench/results/prequential-{name}.png)"
        for name in dict.fromkeys(str(row["set"]) for row in rows)
    ]
    return f"Window by window: {', '.join(links)}." if links else ""


def _windows(row: Mapping[str, object]) -> int:
    return int(str(row["note"]).split()[0])


def _retrainings(row: Mapping[str, object]) -> int:
    """How often a line was trained: full retrains before each of their windows, updates between windows."""
    return _windows(row) - (row["model"] != "full")


def _cold(rows: Rows) -> Rows:
    """Return the rankings as rows of the table; the differences stay in the full one."""
    kept = [
        row
        for row in rows
        if row["model"] in (OURS, *OTHERS) and row["protocol"] in (NEW, ALL, ANY)
    ]
    return [
        {**row, "set": f"{NAMES.get(str(row['set']), row['set'])}, {row['protocol']}"}
        for row in kept
    ]


def _ratios(rows: Rows) -> Rows:
    """Return the ratios of processor time, which what else runs on a machine disturbs least; a metric is a column."""
    kept = [
        row
        for row in rows
        if row["protocol"] == TRAINING
        and row["model"] == "ratio"
        and "processor" in str(row["metric"])
    ]
    return [
        {**row, "model": re.sub(r"NDCG@10 [\d.]+, ", "", str(row["metric"])), "metric": "times"}
        for row in kept
    ]


def _table(title: str, rows: Rows, metrics: Sequence[str]) -> str:
    """Return a table with a set a row and a model a column; two figures of a model stand in one cell.

    Raise ValueError when one place would have two figures.
    """
    rows = [row for row in rows if row["metric"] in metrics]
    sets, models = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in ("set", "model"))
    if not rows:
        return ""
    found = {
        (str(row["set"]), str(row["model"]), str(row["metric"])): float(str(row["value"]))
        for row in rows
    }
    if len(found) < len(rows):
        raise ValueError(
            f"{title}: {len(rows)} figures for {len(found)} places; what tells them apart?"
        )
    lines = [f"{title}.", "", f"| | {' | '.join(models)} |", "|---" * (1 + len(models)) + "|"]
    for name in sets:
        cells = [
            " / ".join(
                _digits(found[name, model, metric])
                for metric in metrics
                if (name, model, metric) in found
            )
            for model in models
        ]
        lines.append(f"| {NAMES.get(name, name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _digits(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.2f}"


def _origin(rows: Rows) -> str:
    """Say where the rows lie and on what they were measured."""
    benches = dict.fromkeys(str(row["bench"]) for row in rows)
    links = ", ".join(f"[{bench}](bench/results/{bench}.md)" for bench in benches)
    machines = "; ".join(dict.fromkeys(str(row["hardware"]) for row in rows))
    return f"With intervals, seeds, versions, commits and commands: {links}; measured on {machines}. How: [bench/README.md](bench/README.md)."


def with_section(readme: str, section: str) -> str:
    """Return the README with the section in its place; raise ValueError when the marks are not there."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md: expected the lines {BEGIN} and {END}")
    return f"{before}{section}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write all tables and the README's section."""
    argparse.ArgumentParser(
        prog="python -m bench tables", description="Render all tables and the README's section."
    ).parse_args(arguments)
    for file in sorted(RESULTS.rglob("*.json")):
        file.with_suffix(".md").write_text(render(json.loads(file.read_text())))
    README.write_text(with_section(README.read_text(), quality_section()))
