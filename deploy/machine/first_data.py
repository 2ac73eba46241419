"""The data that a machine starts with: ingested once into the settings' log, and noted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cron.project_root import PROJECT_ROOT
from cron.verbs.datasets.first_ingest import NOTE, noted_path
from deploy.machine.demo import demo_data
from deploy.machine.preflight import NotReady
from trainer.codec import decode
from trainer.machine.durable_files import replace_text

FIRST_PART = "0:0.8"  # of the timeline; `make replay` sends the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """`var/demo.json`: the data that was ingested, its part, and one of its users, for examples.

    With it the data is ingested once, and replay finds the rest. `path` is relative to the
    checkout if the data is inside it.
    """

    path: str
    part: str
    user_id: str


def was_ingested(var: Path) -> bool:
    """Return whether an earlier start has ingested its data."""
    return (var / NOTE).exists()


def ingest_once(var: Path, data: Path | None, environment: Mapping[str, str]) -> Note:
    """Ingest the first part of the data unless an earlier start did; return the note about it."""
    file = var / NOTE
    if was_ingested(var):
        note = _read_note(file)
        if data is not None and data.resolve() != noted_path(note.path):
            raise NotReady(
                f"{var} holds data from {noted_path(note.path)}; to start over with {data}, "
                "run make reset first, then the same command again"
            )
        return note
    path = data.resolve() if data is not None else demo_data(var, environment)
    print(f"Ingesting the first 80 % of {path}, shifted in time to end now", flush=True)
    ingested = _ingest(path, environment)
    _print_result(ingested)
    if ingested.first_user is None:
        raise NotReady(f"{path} has no ratings; there must be at least one")
    note = Note(path=_path_to_note(path), part=FIRST_PART, user_id=ingested.first_user)
    replace_text(file, json.dumps(asdict(note)))
    return note


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ingested:
    """What `ingest --json` prints, as far as it is shown here."""

    events: int
    items: int
    facts: int
    rejected: dict[str, int]
    warnings: tuple[str, ...]
    first_user: str | None


def _ingest(path: Path, environment: Mapping[str, str]) -> _Ingested:
    """Ingest the first part in a process of its own, whose memory is free again afterwards."""
    command = [sys.executable, "-m", "cron", "ingest", str(path)]
    command += ["--part", FIRST_PART, "--shift-to-now", "--json"]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=dict(environment), stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise NotReady(
            f"{path} could not be ingested; the reason is above. The next start continues where "
            "this one stopped"
        )
    return decode(done.stdout, _Ingested)


def _print_result(ingested: _Ingested) -> None:
    new = f"{ingested.events:,} events and {ingested.items:,} items"
    if ingested.facts:
        new = f"{ingested.events:,} events, {ingested.items:,} items and {ingested.facts:,} facts"
    lines = [f"  {new} are new"]
    lines += [f"  {number:,} rejected: {reason}" for reason, number in ingested.rejected.items()]
    lines += [f"  warning: {warning}" for warning in ingested.warnings]
    print("\n".join(lines), flush=True)


def _path_to_note(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


def _read_note(file: Path) -> Note:
    try:
        return Note(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as why:
        raise NotReady(
            f"{file} is damaged; delete it, and the next start ingests the data again, without "
            "counting anything twice"
        ) from why
