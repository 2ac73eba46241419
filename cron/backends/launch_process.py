"""TrainLauncher that runs `python -m trainer` as a child process of this machine: `process:`.

Knows how to start, bound and end a child; does not know what a trainer does. The trainer itself resumes from its checkpoint, holds
a lock on its output, and asks the kernel to be ended when its parent dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from cron.errors import Stopped, TrainingFailed
from trainer.config import TrainConfig, dump_config

_ROOT = Path(__file__).resolve().parents[2]
_TAIL_CHARS = 2000
_POLL_S = 0.1


def open_launcher(url: str, *, text_cache: Path) -> ProcessLauncher:
    """Open the launcher of `process:`; the URL has no options."""
    del url
    return ProcessLauncher(text_cache=text_cache)


class ProcessLauncher:
    """One trainer at a time, in a process group of its own."""

    def __init__(self, *, text_cache: Path) -> None:
        self._text_cache = text_cache
        self._stopping = threading.Event()

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        """Run the trainer to its end; its output goes to `trainer.log` beside `out`. Raise TrainingFailed, or Stopped after `stop`."""
        if _is_candidate(out):
            return out
        if self._stopping.is_set():
            raise Stopped
        out.parent.mkdir(parents=True, exist_ok=True)
        config_file = out.parent / "config.json"
        dump_config(config, config_file)
        log = out.parent / "trainer.log"
        with log.open("ab") as stream:
            child = subprocess.Popen(
                self._command(snapshot, config_file, out),
                cwd=_ROOT,
                env=_environment(config),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            status = self._wait(child, limit_s)
        if status != 0 or not _is_candidate(out):
            raise TrainingFailed(exit_status=status, limit_s=limit_s, log=log, tail=_tail(log))
        return out

    def stop(self) -> None:
        """End the training under way, from another thread, and start none after; `train` raises Stopped. A checkpoint stays."""
        self._stopping.set()

    def _command(self, snapshot: Path, config_file: Path, out: Path) -> list[str]:
        nice = shutil.which("nice")  # the model server on the same cores answers people, the trainer does not
        arguments = ["--snapshot", str(snapshot), "--config", str(config_file), "--out", str(out), "--text-cache", str(self._text_cache)]
        return [*([nice, "-n", "10"] if nice else []), sys.executable, "-m", "trainer", *arguments]

    def _wait(self, child: subprocess.Popen[bytes], limit_s: float) -> int | None:
        """Return the child's status; None when the wall limit ended it."""
        ends_at = time.monotonic() + limit_s
        try:
            while True:
                try:
                    return child.wait(timeout=_POLL_S)
                except subprocess.TimeoutExpired:
                    pass
                if self._stopping.is_set():
                    raise Stopped
                if time.monotonic() >= ends_at:
                    return None
        finally:
            _end_group(child)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the child's group; KILL at once, because a checkpoint lies on disk after each epoch."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _environment(config: TrainConfig) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(config.num_threads), "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def _is_candidate(out: Path) -> bool:
    return (out / "report.json").is_file()  # the folder is renamed into place as a whole


def _tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL_CHARS:].decode(errors="replace").strip()
