"""The block that ends `make stack`: where everything is, and what to try.

Knows addresses and sentences; does not know how anything was started.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from cron.lineage import Release
from cron.project_root import PROJECT_ROOT
from deploy.machine.first_data import Note
from deploy.machine.ready import key_option
from deploy.stack.layout import FLINK, PROMETHEUS, Layout


def ready_block(
    live: Release,
    why_baseline: str | None,
    place: Layout,
    *,
    note: Note,
    secrets: Path,
    asks_for_key: bool,
) -> str:
    """Return the block: addresses, then the story to follow line by line."""
    what = (
        f"release {live.version} is live, trained on {note.path}"
        if live.version
        else f"the baseline is live, over {note.path}"
    )
    gateway = f"http://127.0.0.1:{place.gateway}"
    rows = [
        (f"{gateway}/", f"status page; the API is at {gateway}/docs"),
        *(
            (node.predictions, f"TorchServe node, managed at {node.management}/models/{node.model}")
            for node in place.nodes
        ),
        (f"http://127.0.0.1:{place.inner[FLINK]}/", "Flink: the join of impressions and clicks"),
        (f"http://127.0.0.1:{place.inner[PROMETHEUS]}/", "Prometheus: figures and alarms"),
        (f"127.0.0.1:{place.kafka}", f"Kafka: topics impressions, clicks -> {place.events}; items"),
        (f"127.0.0.1:{place.redis}", "Redis: histories"),
        (f"127.0.0.1:{place.s3}", "S3: archives and the journal"),
        (f"127.0.0.1:{place.postgres}", "PostgreSQL: the ledger"),
    ]
    width = max(len(address) for address, _ in rows)
    return "\n".join(
        [
            "",
            f"ready: {what}",
            *(
                [
                    f"  There is no trained release yet: {why_baseline}",
                    "  The worker tries again by itself.",
                ]
                if why_baseline
                else []
            ),
            "",
            *(f"  {address.ljust(width)}  {what_it_is}" for address, what_it_is in rows),
            "",
            "In this and every other terminal, for the settings file and the passwords:",
            f"  set -a; . {_shown(secrets)}; set +a",
            f"What user {note.user_id} should see next:",
            f"  curl -s '{gateway}/v1/recommendations/{quote(note.user_id, safe='')}?k=5'{key_option(asked=asks_for_key)}",
            "Then:",
            "  .venv/bin/python -m deploy.stack.shop --genre Horror    visitors of a shop: impressions and clicks, as Kafka messages",
            "  make status                                      watch the next release arrive",
            "  make rollback                                    the previous release, at once; needs neither Kafka, Redis nor S3",
            "  .venv/bin/python -m cron config --check          does everything answer?",
            "  make stack-status                                what runs; logs are in "
            + _shown(place.home / "log"),
            "  make stack-down                                  stop all of it; the data stays",
        ]
    )


def _shown(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
