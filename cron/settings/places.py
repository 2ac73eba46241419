"""The working folder on this machine, and the file beside the histories."""

from __future__ import annotations

from pathlib import Path

from cron.project_root import PROJECT_ROOT
from cron.settings.tree import Settings


def var_folder(settings: Settings) -> Path:
    """Return the absolute path of `store.var`: runs, caches, logs, dead letters."""
    return PROJECT_ROOT / settings.store.var


def item_records_path(histories: Path) -> Path:
    """Return the file of the item records: `histories.items.db` beside `histories.db`."""
    return histories.with_name(f"{histories.stem}.items{histories.suffix}")
