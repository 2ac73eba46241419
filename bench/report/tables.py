"""Render the results: every `results/*.md`, all tables on one page, the README's summary.

    .venv/bin/python -m bench tables

Everything comes from the JSON files of the full benches; small versions never get into the tables
of quality. Tests compare the rendered files with the rows.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.report.labels import (
    ANY_AMONG_ALL,
    COLD_BASELINES,
    LEAVE_ONE_OUT,
    NEW_AMONG_ALL,
    NEW_AMONG_NEW,
    RATINGS,
    STREAM,
    TEXT_ALONE,
    TRAINING,
)
from bench.report.rows import RESULTS, render
from bench.report.stored import (
    SET_NAMES,
    StoredRows,
    num_windows,
    retraining_seconds,
    stored_rows,
    three_digits,
    value_of,
)
from bench.report.summary import readme_section, with_section
from cron.project_root import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"
PAGE = RESULTS / "tables.md"
STREAM_LINES = {
    "static": "never retrained",
    "control": "trained on, old events only",
    "update": "updates",
    "accepted": "updates that the gate accepted",
    "rolling": "updates, two full retrains between them",
    "full": "full retrains",
}


def quality_page(results: Path = RESULTS) -> str:
    """Return the page with all tables of quality; a question without rows is left out."""
    quality, stream, cold, training = (
        stored_rows(results, bench) for bench in ("quality", "prequential", "cold", "training")
    )
    parts = [
        "# Quality: all tables",
        "Rendered by `python -m bench tables`.",
        _table(
            "**The next item of a user**, among all items except those already seen"
            " (leave-one-out, as in the papers): NDCG@10 / HR@10",
            [row for row in quality if row["protocol"] == LEAVE_ONE_OUT],
            ("NDCG@10", "HR@10"),
        ),
        _table(
            "**Ratings** in the last fifth of the timeline: RMSE."
            " Progressive models know what the user did before the rating",
            _rating_rows(quality),
            ("RMSE",),
        ),
        _table(
            "**Does retraining pay?** Every event is scored before a model learns from it;"
            " the second half of the timeline in windows",
            _stream_rows(stream),
            ("",),
        ),
        _curve_links(stream),
        _table(
            "**New items**, ranked by their text alone: NDCG@10 / HR@10",
            _cold_rows(cold),
            ("NDCG@10", "HR@10"),
        ),
        _table(
            "**Training**, one thread each: how many times faster than RecTools' SASRec",
            _ratio_rows(training),
            ("times",),
        ),
        _origin([*quality, *stream, *cold, *training]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rating_rows(rows: StoredRows) -> StoredRows:
    """Return the ratings, static and progressive models apart: they are not comparable."""
    return [
        {**row, "set": f"{SET_NAMES[str(row['set'])]}, {str(row['protocol'])[len(RATINGS) + 2 :]}"}
        for row in rows
        if str(row["protocol"]).startswith(RATINGS)
    ]


def _stream_rows(rows: StoredRows) -> StoredRows:
    """Return what each line of the stream reaches and costs.

    Gains are over all windows, and apart over the windows that have a full retrain. A mean over
    other windows than the rest is left to the page of the bench.
    """
    kept = [row for row in rows if row["protocol"] == STREAM and row["model"] in STREAM_LINES]
    shown: list[Mapping[str, object]] = []
    for name in dict.fromkeys(str(row["set"]) for row in kept):
        for title, found in _stream_tables([row for row in kept if row["set"] == name]).items():
            for row in found:
                line = {"set": f"{SET_NAMES[name]}, {title}", "metric": ""}
                shown.append({**row, **line, "model": STREAM_LINES[str(row["model"])]})
    return shown


def _stream_tables(rows: StoredRows) -> dict[str, StoredRows]:
    """Return the rows of one set by title."""
    windows = [num_windows(row) for row in rows if row["model"] == "static"]
    means = [row for row in rows if row["metric"] == "NDCG@10"]
    gains = [row for row in rows if row["metric"] == "gain over static"]
    shares = [row for row in rows if row["metric"] == "share of full"]
    costs = [{**row, "value": retraining_seconds(row)} for row in means]
    never = next((value_of(row) for row in shares if row["model"] == "static"), 1.0)
    return {
        "NDCG@10": [row for row in means if num_windows(row) == windows[-1]],
        "gain over never": [row for row in gains if row["model"] not in ("static", "full")],
        "gain in the windows after a full retrain": [
            {**row, "value": value_of(row) / never - 1}
            for row in shares
            if row["model"] != "static"
        ],
        "NDCG@10 there, as a share of the full retrains'": shares,
        "processor seconds each time": [row for row in costs if row["value"]],
    }


def _curve_links(rows: StoredRows) -> str:
    links = [
        f"[{SET_NAMES[name]}](prequential-{name}.png)"
        for name in dict.fromkeys(str(row["set"]) for row in rows)
    ]
    return f"Window by window: {', '.join(links)}." if links else ""


def _cold_rows(rows: StoredRows) -> StoredRows:
    """Return the rankings of new items, a set and a ranking per row, without the differences."""
    return [
        {**row, "set": f"{SET_NAMES.get(str(row['set']), row['set'])}, {row['protocol']}"}
        for row in rows
        if row["model"] in (TEXT_ALONE, *COLD_BASELINES)
        and row["protocol"] in (NEW_AMONG_NEW, NEW_AMONG_ALL, ANY_AMONG_ALL)
    ]


def _ratio_rows(rows: StoredRows) -> StoredRows:
    """Return the ratios of processor time, which other work on the machine disturbs least."""
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


def _table(title: str, rows: StoredRows, metrics: Sequence[str]) -> str:
    """Return a table with a set per row and a model per column; metrics share a cell.

    Raise ValueError if two rows would have the same place.
    """
    rows = [row for row in rows if row["metric"] in metrics]
    sets, models = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in ("set", "model"))
    if not rows:
        return ""
    found = {
        (str(row["set"]), str(row["model"]), str(row["metric"])): value_of(row) for row in rows
    }
    if len(found) < len(rows):
        raise ValueError(
            f"{title}: {len(rows)} rows for {len(found)} places; give the rows distinct labels"
        )
    lines = [f"{title}.", "", f"| | {' | '.join(models)} |", "|---" * (1 + len(models)) + "|"]
    for name in sets:
        cells = [
            " / ".join(
                three_digits(found[name, model, metric])
                for metric in metrics
                if (name, model, metric) in found
            )
            for model in models
        ]
        lines.append(f"| {SET_NAMES.get(name, name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _origin(rows: StoredRows) -> str:
    """Return where the rows come from and on what machine they were measured."""
    benches = dict.fromkeys(str(row["bench"]) for row in rows)
    links = ", ".join(f"[{bench}]({bench}.md)" for bench in benches)
    machines = "; ".join(dict.fromkeys(str(row["hardware"]) for row in rows))
    return (
        f"With intervals, seeds, versions, commits and commands: {links};"
        f" measured on {machines}. How: [bench/README.md](../README.md)."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write all pages of results and the README's summary."""
    argparse.ArgumentParser(
        prog="python -m bench tables",
        description="Render all pages of results and the README's summary of quality.",
    ).parse_args(arguments)
    for file in sorted(RESULTS.rglob("*.json")):
        file.with_suffix(".md").write_text(
            render(json.loads(file.read_text(encoding="utf-8"))), encoding="utf-8"
        )
    PAGE.write_text(quality_page(), encoding="utf-8")
    README.write_text(
        with_section(README.read_text(encoding="utf-8"), readme_section()), encoding="utf-8"
    )
