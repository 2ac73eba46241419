"""What the machine that starts a training does: send its files, watch, fetch the candidate."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainer.candidate_files import PROGRESS, partial_of
from trainer.machine import durable_files
from trainer.remote_files.names import CANDIDATE, CHECKPOINTS, CONFIG, REPORT, SENT, SNAPSHOT
from trainer.remote_files.store import FileStore, open_store, patiently

_LOOK_EVERY_S = 1.0


def send(store: FileStore, *, snapshot: Path, config: Path) -> None:
    """Store what a training reads, unless it is there; checkpoints of an earlier try stay."""
    sent = _digest(snapshot, config)
    if patiently(lambda: store.text(SENT)) == sent:
        return
    patiently(lambda: store.put_tree(snapshot, SNAPSHOT))
    patiently(lambda: store.put(config, CONFIG))
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(sent)
        file.flush()
        patiently(lambda: store.put(Path(file.name), SENT))


def _digest(snapshot: Path, config: Path) -> str:
    """Return what tells this sending from others: the files' names and sizes, and the settings.

    A snapshot is not changed once it is made, and its manifest has a digest of its events.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in snapshot.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(snapshot)} {path.stat().st_size}\n".encode())
    for path in (snapshot / "manifest.json", config):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def fetch(store: FileStore, out: Path) -> None:
    """Write the candidate to `out`, as a whole, and delete everything that is stored."""
    received = partial_of(out) / "received"
    shutil.rmtree(received, ignore_errors=True)
    patiently(lambda: store.fetch_tree(CANDIDATE, received))
    durable_files.sync_tree(received)
    durable_files.move(received, out)
    shutil.rmtree(partial_of(out), ignore_errors=True)
    with suppress(OSError):  # what stays behind is overwritten by the next training of this name
        store.delete_all()


def is_made(store: FileStore) -> bool:
    """Return whether the candidate is stored as a whole."""
    return patiently(lambda: store.has(REPORT))


def newest_checkpoint(uri: str) -> str | None:
    """Return the name of the newest stored checkpoint; None without one."""
    names = patiently(lambda: open_store(uri).names(CHECKPOINTS))
    return names[-1] if names else None


@contextmanager
def progress_shown(store: FileStore, out: Path) -> Iterator[None]:
    """Copy the progress beside `out`, where `status` looks, while the block runs."""
    ended = threading.Event()
    thread = threading.Thread(target=_show, args=(store, partial_of(out), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LOOK_EVERY_S)


def _show(store: FileStore, folder: Path, ended: threading.Event) -> None:
    """Write the progress when it has changed, so that the file's age is that of the progress."""
    shown = None
    while not ended.wait(_LOOK_EVERY_S):
        with suppress(OSError):
            progress = store.text(PROGRESS)
            if progress is not None and progress != shown:
                durable_files.replace_text(folder / PROGRESS, progress, durable=False)
                shown = progress
