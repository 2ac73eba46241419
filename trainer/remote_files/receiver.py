"""What the machines that train do: fetch the files, and store checkpoints and the candidate.

The ranks of one machine share what it fetched, in the folder for temporary files. The last one to
leave deletes it; what killed ranks left behind is deleted when the machine trains again.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from trainer.candidate_files import (
    CHECKPOINT_BEFORE,
    EVENTS,
    NEWEST_CHECKPOINT,
    PROGRESS,
    TEXTS,
    checkpoints_of,
    partial_of,
)
from trainer.machine import durable_files
from trainer.machine.file_lock import file_lock
from trainer.remote_files.names import (
    CANDIDATE,
    CHECKPOINTS,
    CONFIG,
    SENT,
    SNAPSHOT,
    checkpoint_name,
    checkpoint_number,
)
from trainer.remote_files.store import FileStore, patiently

_BEGINNING = "freshet-training-"
# Each rank places the slates of its users and loads the state of an update; both are small beside
# the events.
_OF_EVERY_RANK = ("manifest.json", "slates.parquet", "state/")
_LOOK_EVERY_S = 0.5
_KEPT = 2  # checkpoints

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFiles:
    """The paths of a training on this machine."""

    folder: Path

    @property
    def snapshot(self) -> Path:
        """The snapshot."""
        return self.folder / SNAPSHOT

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / CONFIG

    @property
    def out(self) -> Path:
        """The candidate to make."""
        return self.folder / CANDIDATE


@contextmanager
def local_files(
    store: FileStore, parent: Path | None = None, *, is_first: bool = True
) -> Iterator[LocalFiles]:
    """Fetch what a rank needs, unless another rank of this machine has.

    The first rank needs the whole snapshot but the events, the others a few small files. All read
    their events in the store. The files are in a folder of `parent`, by default the one for
    temporary files.
    """
    parent = parent or Path(tempfile.gettempdir())
    sent = patiently(lambda: store.text(SENT))
    if sent is None:
        raise FileNotFoundError(f"{store.root}: no training was sent here, or its run has ended")
    folder = parent / f"{_BEGINNING}{sent}"
    with file_lock(parent / f"{_BEGINNING}lock"):
        _delete_unused(parent)
        user = _use(folder)
        for name in patiently(lambda: store.names(SNAPSHOT)):
            if _is_needed(name.removeprefix(f"{SNAPSHOT}/"), is_first=is_first):
                _fetch_once(store, name, folder / name)
        _fetch_once(store, CONFIG, folder / CONFIG)
    try:
        yield LocalFiles(folder=folder)
    finally:
        with file_lock(parent / f"{_BEGINNING}lock"):
            user.close()
            _delete_unused(parent)


def _is_needed(name: str, *, is_first: bool) -> bool:
    """Return whether a rank needs a file of the snapshot on its machine."""
    return name != EVENTS if is_first else name.startswith(_OF_EVERY_RANK)


def _fetch_once(store: FileStore, name: str, target: Path) -> None:
    """Fetch a file as a whole, unless it is there."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with durable_files.replacing(target, durable=False) as unfinished:
        patiently(lambda: store.fetch(name, unfinished))


@contextmanager
def stored_progress(store: FileStore, out: Path) -> Iterator[None]:
    """Begin where the store's checkpoint is, and store newer ones while the block trains.

    The vectors of texts travel with them, so that a start after a loss does not encode again.
    Afterwards the candidate is stored, if there is one. Only for the first rank.
    """
    shutil.rmtree(partial_of(out), ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    last = patiently(lambda: _restore(store, out))
    courier = _Courier(store, out, last=last)
    thread = threading.Thread(target=courier.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        courier.ended.set()
        thread.join()
    if out.is_dir():
        patiently(lambda: store.put_tree(out, CANDIDATE, last="report.json"))


def _restore(store: FileStore, out: Path) -> int:
    """Fetch the stored checkpoints; return the number of the newest, 0 without one."""
    names = store.names(CHECKPOINTS)[-_KEPT:]
    for name, here in zip(reversed(names), (NEWEST_CHECKPOINT, CHECKPOINT_BEFORE), strict=False):
        store.fetch(name, checkpoints_of(out) / here)
    store.fetch_tree(TEXTS, partial_of(out) / TEXTS)
    if store.has(PROGRESS):  # it counts the starts
        store.fetch(PROGRESS, partial_of(out) / PROGRESS)
    return checkpoint_number(names[-1]) if names else 0


class _Courier:
    """Stores the newest checkpoint, the progress and vectors of texts when they have changed.

    The checkpoints have numbers, because the clocks of machines differ.
    """

    def __init__(self, store: FileStore, out: Path, *, last: int) -> None:
        self._store = store
        self._checkpoint = checkpoints_of(out) / NEWEST_CHECKPOINT
        self._progress = partial_of(out) / PROGRESS
        self._texts = partial_of(out) / TEXTS
        self._last = last
        self._stored_texts = _sizes(self._texts)
        self._stored_ns = {path: _written_ns(path) for path in (self._checkpoint, self._progress)}
        self.ended = threading.Event()

    def run(self) -> None:
        """Store until the training has ended, and once more then."""
        is_last = False
        while not is_last:
            is_last = self.ended.wait(_LOOK_EVERY_S)
            try:
                self._put(self._progress, PROGRESS)
                self._put_texts()
                if self._put(self._checkpoint, checkpoint_name(self._last + 1)):
                    self._last += 1
                    self._drop_old()
            except OSError as error:
                log.warning("the store does not take a checkpoint, the next one may: %s", error)

    def _put(self, path: Path, name: str) -> bool:
        """Store a file if it has changed, and return whether it has."""
        written_ns = _written_ns(path)
        if written_ns in (0, self._stored_ns[path]):
            return False
        try:
            self._store.put(path, name)
        except FileNotFoundError:  # it was renamed or deleted meanwhile
            return False
        self._stored_ns[path] = written_ns
        return True

    def _put_texts(self) -> None:
        """Store files of vectors that have grown; a time says less, because reading changes it."""
        with suppress(FileNotFoundError):  # the training deletes them at its end
            for path, size_bytes in _sizes(self._texts).items():
                if self._stored_texts.get(path) != size_bytes:
                    self._store.put(path, f"{TEXTS}/{path.name}")
                    self._stored_texts[path] = size_bytes

    def _drop_old(self) -> None:
        for name in self._store.names(CHECKPOINTS)[:-_KEPT]:
            self._store.delete(name)


def _sizes(folder: Path) -> dict[Path, int]:
    """Return the sizes of a folder's whole files, without one that is being written."""
    return {path: path.stat().st_size for path in folder.glob("[!.]*")}


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _use(folder: Path) -> TextIO:
    """Mark a folder as used until the result is closed or this process ends."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    user = (folder / "in-use").open("a", encoding="ascii")
    fcntl.flock(user.fileno(), fcntl.LOCK_SH)
    return user


def _delete_unused(parent: Path) -> None:
    """Delete what no process uses; another user's files stay."""
    for folder in parent.glob(f"{_BEGINNING}*/"):
        with (
            suppress(BlockingIOError, PermissionError),
            (folder / "in-use").open("a", encoding="ascii") as user,
        ):
            fcntl.flock(user.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
