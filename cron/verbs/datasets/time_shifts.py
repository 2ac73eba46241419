"""The shift of each part by `ingest --shift-to-now`, so that a repeat uses the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from cron.errors import FreshetError, SettingsError
from cron.verbs.datasets.timeline_slice import TimelineSlice
from recommender.records.record_times import MAX_CLOCK_SKEW
from trainer.machine.durable_files import replace_text

if TYPE_CHECKING:  # imports pandas
    from sources.source import Source

SHIFTS = "shifts.json"  # in var: a JSON object of seconds by part
_LONGEST_SHIFT_S = 1e10  # more than three centuries


def shift_to_now(var: Path, source: Source, part: TimelineSlice, *, store: bool) -> timedelta:
    """Return what to add to the times of a part so that its last event is now.

    For a part that was shifted before, return the same again. Events in the future are rejected
    later, so none of them counts as the last one.
    """
    first, last = part.bounds(len(source.events))
    now = datetime.now(UTC)
    file = var / SHIFTS
    shifts = _read(file)
    # Named by the file's digest, so that a moved folder is the same data.
    name = f"{source.events.file_sha256[:12]} {part}"
    if name not in shifts:
        until_s = (now + MAX_CLOCK_SKEW).timestamp()
        latest_s = source.events.latest(first, last, until_s=until_s)
        assert latest_s is not None, "some event is valid"
        shifts[name] = now.timestamp() - latest_s
        if store:
            with _name_the_setting(var):
                replace_text(file, json.dumps(shifts, indent=1))
    return timedelta(seconds=shifts[name])


def expect_writable(var: Path) -> None:
    """Raise SettingsError if rejected rows and shifts could not be stored in `var`."""
    with _name_the_setting(var):
        var.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=var):
            pass


def _read(file: Path) -> dict[str, float]:
    """Return the shifts in seconds by part; raise FreshetError for a damaged file."""
    try:
        shifts: object = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FreshetError(f"{file} can't be read: {error}") from error
    except (ValueError, RecursionError):
        shifts = None
    if isinstance(shifts, dict) and all(
        isinstance(one, float | int) and abs(one) < _LONGEST_SHIFT_S for one in shifts.values()
    ):
        return shifts
    raise FreshetError(
        f"{file}: expected a JSON object of seconds by part, found something else; restore it from "
        "a backup, or delete it and the next ingest chooses new shifts"
    )


@contextmanager
def _name_the_setting(var: Path) -> Iterator[None]:
    """Turn an OSError into a SettingsError that names `store.var`."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"store.var: can't write into {var} ({error}); set it to a folder of yours and repeat "
            "the command"
        ) from error
