"""`releases`: list every archive that is or was live, with lineage and metrics."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from cron.metrics.overview import Overview, look_at_ledger, panel_ndcg, release_json
from cron.settings.file import Loaded
from cron.verbs.table import clock, number, show_json, table
from cron.wiring import open_ledger

SUMMARY = "list every archive that is or was live, newest first"

_HEADER = (
    "release",
    "mode",
    "parent",
    "trained on",
    "published (UTC)",
    "NDCG@10",
    "archive",
    "",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Print the releases."""
    overview = look_at_ledger(
        open_ledger(loaded.settings.store.ledger), now=datetime.now(UTC), num_releases=None
    )
    if arguments.json:
        show_json([release_json(release, overview) for release in overview.releases])
    elif not overview.releases:
        print("no release yet; the worker first publishes a baseline")
    else:
        print(table(_HEADER, _rows(overview)))
    return 0


def _rows(overview: Overview) -> list[list[str]]:
    rows = []
    for release in overview.releases:
        manifest = release.manifest
        parent = "–" if manifest.parent is None else str(manifest.parent)
        trained = "–" if manifest.target_range is None else "{}–{}".format(*manifest.target_range)
        archive = "(deleted)" if release.archive_gone else manifest.archive
        state = "rolled back" if release.rolled_back_at else ""
        if overview.live is not None and overview.live.version == release.version:
            state = "live"
        ndcg = number(panel_ndcg(overview, release))
        rows.append(
            [
                str(release.version),
                manifest.mode,
                parent,
                trained,
                clock(release.published_at),
                ndcg,
                archive,
                state,
            ]
        )
    return rows
