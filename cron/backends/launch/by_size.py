"""TrainLauncher that leaves each training to another one, by its kind and its new events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from cron.ports import TrainLauncher
from cron.urls.launcher_table import launcher_url
from trainer.config import TrainConfig


class LauncherBySize:
    """A TrainLauncher: small updates may run on this machine and full retrains on a cluster.

    `table` is `worker.launchers`; `otherwise` trains what no row names. Launchers are opened when
    they are first needed.
    """

    def __init__(
        self,
        table: Mapping[str, str],
        *,
        otherwise: str,
        open_one: Callable[[str], TrainLauncher],
    ) -> None:
        self._table = table
        self._otherwise = otherwise
        self._open_one = open_one
        self._opened: dict[str, TrainLauncher] = {}
        self._current: TrainLauncher | None = None
        self._is_stopped = self._is_cancelled = False
        self._lock = threading.Lock()

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        """See the port."""
        url = launcher_url(snapshot, self._table, otherwise=self._otherwise)
        with self._lock:
            if url not in self._opened:
                self._opened[url] = self._open_one(url)
            self._current = launcher = self._opened[url]
            if self._is_stopped:
                launcher.stop()
            if self._is_cancelled:
                launcher.cancel()
        try:
            return launcher.train(snapshot, config, out, limit_s=limit_s)
        finally:
            with self._lock:
                self._current, self._is_cancelled = None, False

    def stop(self) -> None:
        """See the port."""
        with self._lock:
            self._is_stopped = True
            if self._current is not None:
                self._current.stop()

    def cancel(self) -> None:
        """See the port."""
        with self._lock:
            self._is_cancelled = True
            if self._current is not None:
                self._current.cancel()
