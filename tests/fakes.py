"""A ModelServer in this process: real archives, the real ranker, no HTTP, no workers.

For the cycle's tests, where TorchServe's start-up would be most of the time. Its state is a file,
so that it outlives a process that a test kills, as a real server does.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cron.errors import ServerRefused, Unavailable
from cron.ports import ModelServer
from cron.server_versions import ServerMemory, ServerVersion
from recommender.arrays.bases import CONTENT, link_or_copy
from trainer.archive import ArchiveError, unpack_bundle

LOCK = "lock"  # its file


class FakeServer:
    """See the module's docstring. `store` is the model store; `folder` is the server's own.

    `is_down` makes every call Unavailable; `refuses` makes `register` refuse; `left_bytes` is its
    memory, of which a version takes a thousand; `lost` are versions without workers, `broken` ones
    that do not start; `log` lists the calls that changed something.
    """

    def __init__(self, store: Path, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._state = folder / "state.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.is_down = False
        self.refuses = False
        self.left_bytes = 10_000
        self.lost: set[int] = set()
        self.broken: set[int] = set()
        self.log: list[str] = []

    def nodes(self) -> Mapping[str, ModelServer]:
        """Return this one."""
        return {self._folder.name: self}

    def register(self, version: int, url: str) -> None:
        """Load an archive; the first one becomes the default."""
        if version in self._read()[0] and version not in self.lost:
            return
        if self.refuses or version in self.broken:
            raise ServerRefused(version, status=507, message="no memory is left")
        mar = self._store / url
        if not mar.is_file():
            raise ServerRefused(version, status=404, message=f"Model not found at: {url}")
        try:
            with zipfile.ZipFile(mar) as archive:
                inside = json.loads(archive.read("MAR-INF/MANIFEST.json"))["model"]["modelVersion"]
            unpack_bundle(mar, self._folder / str(version), get_base=self._link_base)
        except (ArchiveError, zipfile.BadZipFile, FileNotFoundError) as error:
            raise ServerRefused(version, status=500, message=str(error)) from error
        if int(inside) != version:
            raise ServerRefused(
                version,
                status=200,
                message=f"{url} does not hold version {version}; "
                f"does the file hold another version, {inside}?",
            )
        with self._change() as state:
            state["registered"] = sorted({*_versions(state), version})
            state["default"] = version if state["default"] is None else state["default"]
        self.lost.discard(version)
        self.log.append(f"register {version}")

    def _link_base(self, digest: str, target: Path) -> None:
        """Have a base that the archive leaves out, as TorchServe reads it from the model store."""
        link_or_copy(self._store / CONTENT / digest, target)

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """Answer as the handler does."""
        from recommender.bundle import load_bundle
        from recommender.lists.answer import answer_batch
        from recommender.ranking.ranker import Ranker
        from recommender.requests.wire import BadRequest

        registered, default = self._read()
        asked = default if version is None else version
        if asked is None or asked not in registered:
            raise ServerRefused(
                asked if asked is not None else -1, status=404, message="Model not found"
            )
        if asked in self.lost:
            raise ServerRefused(asked, status=503, message="the version has no worker")
        answer = answer_batch(Ranker(load_bundle(self._folder / str(asked))), [body])[0]
        if isinstance(answer, BadRequest):
            raise ServerRefused(asked, status=400, message=str(answer))
        return {**answer, "model_version": asked} if isinstance(answer, dict) else answer

    def set_live(self, version: int) -> None:
        """Make a version the default."""
        with self._change() as state:
            if version not in _versions(state):
                raise ServerRefused(
                    version, status=409, message="the version is not registered; register it first"
                )
            if version in self.lost:
                raise ServerRefused(
                    version,
                    status=409,
                    message="the version is without a READY worker; register it first",
                )
            state["default"] = version
        self.log.append(f"set_live {version}")

    def live(self) -> int | None:
        """Return the default version."""
        return self._read()[1]

    def versions(self) -> tuple[ServerVersion, ...]:
        """Return all versions, all of them ready but the lost ones."""
        workers = {one: int(one not in self.lost) for one in sorted(self._read()[0])}
        return tuple(
            ServerVersion(version=one, ready_workers=n, min_workers=n, pending_requests=0)
            for one, n in workers.items()
        )

    def memory(self) -> ServerMemory | None:
        """Return `left_bytes` once there is a default."""
        return (
            ServerMemory(taken_bytes=1_000, left_bytes=self.left_bytes)
            if self.live() is not None
            else None
        )

    def unregister(self, version: int) -> None:
        """Forget a version; refuse the default."""
        with self._change() as state:
            if version == state["default"]:
                raise ServerRefused(
                    version,
                    status=403,
                    message="the version is the default; make another one live first",
                )
            if version in _versions(state):
                self.log.append(f"unregister {version}")
            state["registered"] = [one for one in _versions(state) if one != version]

    def unregister_all(self) -> None:
        """Forget every version, the default too."""
        with self._change() as state:
            state["registered"], state["default"] = [], None

    def restart_empty(self) -> None:
        """Lose everything, as a TorchServe without snapshots does when it is killed."""
        with self._hold_lock():  # no call of another thread finds half of it
            for found in self._folder.iterdir():
                if found.is_dir():
                    shutil.rmtree(found)
                elif found.name != LOCK:
                    found.unlink()

    def _read(self) -> tuple[list[int], int | None]:
        with self._change() as state:
            default = state["default"]
            assert default is None or isinstance(default, int)
            return _versions(state), default

    @contextmanager
    def _change(self) -> Iterator[dict[str, object]]:
        """Yield the state and write it back, exclusively; an error writes nothing."""
        if self.is_down:
            raise Unavailable("TorchServe", where=str(self._folder), why="switched off by the test")
        with self._hold_lock():
            before = (
                self._state.read_text()
                if self._state.is_file()
                else '{"registered": [], "default": null}'
            )
            state = json.loads(before)
            yield state
            if json.loads(before) != state:
                unfinished = self._state.with_suffix(".unfinished")
                unfinished.write_text(json.dumps(state))
                unfinished.replace(self._state)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Let no other thread or process read or change the state meanwhile."""
        self._folder.mkdir(exist_ok=True)
        with (self._folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _versions(state: dict[str, object]) -> list[int]:
    versions = state["registered"]
    assert isinstance(versions, list)
    return versions
