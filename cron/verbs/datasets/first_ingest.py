"""The note that `make serve` leaves in `var/` about the data that it ingested first."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.verbs.datasets.timeline_slice import TimelineSlice, parse_slice

# In var: a JSON object with the path and the part. A path inside the checkout is relative to it, so
# that it is still valid after the checkout was moved.
NOTE = "demo.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstIngest:
    """The data set that was ingested at the first start, and which part of it."""

    path: Path
    part: TimelineSlice


def read_note(var: Path) -> FirstIngest | None:
    """Return what was ingested at the first start, None if nothing was; raise FreshetError."""
    file = var / NOTE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return FirstIngest(path=noted_path(raw["path"]), part=parse_slice(raw["part"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, argparse.ArgumentTypeError) as error:
        raise FreshetError(
            f"{file} is damaged; delete it and name the data: "
            "python -m cron replay PATH --part 0.8:1"
        ) from error


def noted_path(path: str) -> Path:
    """Return the absolute path for the path in a note."""
    return PROJECT_ROOT / path
