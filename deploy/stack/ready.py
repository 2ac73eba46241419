"""The block that ends `make stack`: where everything is, and what to try."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from cron.lineage import Release
from cron.project_root import PROJECT_ROOT
from deploy.machine.first_data import Note
from deploy.machine.ready import key_option, what_is_live
from deploy.stack.layout import FLINK, PROMETHEUS, Layout

_NEXT_STEPS = (
    (
        ".venv/bin/python -m deploy.stack.shop --genre Horror",
        "visitors of a shop: impressions and clicks, as Kafka messages",
    ),
    ("make status", "watch the next release arrive"),
    ("make rollback", "the previous release, at once; needs neither Kafka, Redis nor S3"),
    (".venv/bin/python -m cron config --check", "does everything answer?"),
)


def ready_block(
    live: Release,
    why_baseline: str | None,
    place: Layout,
    *,
    note: Note,
    secrets: Path,
    asks_for_key: bool,
) -> str:
    """Return the block: addresses, then the commands to try in order."""
    user = quote(note.user_id, safe="")
    url = f"http://127.0.0.1:{place.gateway}/v1/recommendations/{user}?k=5"
    logs = _from_checkout(place.home / "log")
    steps = [
        *_NEXT_STEPS,
        ("make stack-status", f"the state of each program; logs are in {logs}"),
        ("make stack-down", "stop all of it; the data stays"),
    ]
    lines = [
        "",
        *what_is_live(live, why_baseline, note.path),
        "",
        *_columns(_addresses(place)),
        "",
        "In this and every other terminal, for the settings file and the passwords:",
        f"  set -a; . {_from_checkout(secrets)}; set +a",
        f"What user {note.user_id} should see next:",
        f"  curl -s '{url}'{key_option(asked=asks_for_key)}",
        "Then:",
        *_columns(steps),
    ]
    return "\n".join(lines)


def _addresses(place: Layout) -> list[tuple[str, str]]:
    gateway = f"http://127.0.0.1:{place.gateway}"
    nodes = [
        (node.predictions, f"TorchServe node, managed at {node.management}/models/{node.model}")
        for node in place.nodes
    ]
    return [
        (f"{gateway}/", f"status page; the API is at {gateway}/docs"),
        *nodes,
        (f"http://127.0.0.1:{place.inner[FLINK]}/", "Flink: the join of impressions and clicks"),
        (f"http://127.0.0.1:{place.inner[PROMETHEUS]}/", "Prometheus: metrics and alerts"),
        (f"127.0.0.1:{place.kafka}", f"Kafka: topics impressions, clicks -> {place.events}; items"),
        (f"127.0.0.1:{place.redis}", "Redis: histories"),
        (f"127.0.0.1:{place.s3}", "S3: archives and the journal"),
        (f"127.0.0.1:{place.postgres}", "PostgreSQL: the ledger"),
    ]


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows)
    return [f"  {left.ljust(width)}  {right}" for left, right in rows]


def _from_checkout(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
