"""The README's summary of quality: Freshet and the best other model, one row per question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.report.labels import (
    ANY_AMONG_ALL,
    COLD_BASELINES,
    FRESHET,
    LEAVE_ONE_OUT,
    NEW_AMONG_ALL,
    RATINGS,
    STREAM,
    TEXT_ALONE,
)
from bench.report.rows import RESULTS
from bench.report.stored import (
    SET_NAMES,
    StoredRows,
    retraining_seconds,
    stored_rows,
    three_digits,
    value_of,
)

BEGIN = "<!-- what follows is rendered from bench/results by: python -m bench tables -->"
END = "<!-- up to here -->"


def readme_section(results: Path = RESULTS) -> str:
    """Return the section with its marks."""
    quality, stream, cold = (
        stored_rows(results, bench) for bench in ("quality", "prequential", "cold")
    )
    lines = [
        f"| Freshet / the best other model | {' | '.join(SET_NAMES.values())} |",
        "|---" * (1 + len(SET_NAMES)) + "|",
        _line("the next item, NDCG@10", _duels(_next_items(quality), FRESHET, max)),
        _line("a rating, RMSE (less is better)", _duels(_progressive(quality), FRESHET, min)),
        _line(
            "any item, new ones included, NDCG@10",
            _duels(_cold(cold, ANY_AMONG_ALL), TEXT_ALONE, max),
        ),
        _line(
            "only new items among all, NDCG@10", _duels(_cold(cold, NEW_AMONG_ALL), TEXT_ALONE, max)
        ),
        _line("updates: NDCG@10 as a share of full retrains'", _shares(stream)),
        _line("updates: processor time as a share of full retrains'", _costs(stream)),
    ]
    links = "[All tables](bench/results/tables.md), [method](bench/README.md)"
    return "\n".join([BEGIN, *lines, "", f"{links}.", END])


def with_section(readme: str, section: str) -> str:
    """Return the README with the section in its place.

    Raise ValueError if the README lacks the marks.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md: expected the lines {BEGIN} and {END}")
    return f"{before}{section}{after}"


def _line(question: str, cells: Mapping[str, str]) -> str:
    return f"| {question} | {' | '.join(cells.get(name, '') for name in SET_NAMES)} |"


def _duels(rows: StoredRows, ours: str, best: Callable[..., str]) -> dict[str, str]:
    """Return, by set, our value and the best other one with its model."""
    cells = {}
    for name in SET_NAMES:
        value_by_model = {str(row["model"]): value_of(row) for row in rows if row["set"] == name}
        others = [model for model in value_by_model if model != ours]
        if ours not in value_by_model or not others:
            continue
        rival = best(others, key=value_by_model.__getitem__)
        own, other = (three_digits(value_by_model[model]) for model in (ours, rival))
        cells[name] = f"{own} / {other} ({rival})"
    return cells


def _next_items(quality: StoredRows) -> StoredRows:
    return [
        row for row in quality if row["protocol"] == LEAVE_ONE_OUT and row["metric"] == "NDCG@10"
    ]


def _progressive(quality: StoredRows) -> StoredRows:
    return [row for row in quality if row["protocol"] == f"{RATINGS}, progressive"]


def _cold(rows: StoredRows, ranking: str) -> StoredRows:
    return [
        row
        for row in rows
        if row["protocol"] == ranking
        and row["metric"] == "NDCG@10"
        and row["model"] in (TEXT_ALONE, *COLD_BASELINES)
    ]


def _shares(stream: StoredRows) -> dict[str, str]:
    return {
        str(row["set"]): three_digits(value_of(row))
        for row in stream
        if row["protocol"] == STREAM
        and row["model"] == "update"
        and row["metric"] == "share of full"
    }


def _costs(stream: StoredRows) -> dict[str, str]:
    seconds = {
        (str(row["set"]), str(row["model"])): retraining_seconds(row)
        for row in stream
        if row["protocol"] == STREAM and row["metric"] == "NDCG@10"
    }
    return {
        name: three_digits(seconds[name, "update"] / seconds[name, "full"])
        for name in SET_NAMES
        if seconds.get((name, "full")) and (name, "update") in seconds
    }
