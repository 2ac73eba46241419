"""A training as a child process of this machine, for every launcher.

The trainer itself resumes from its checkpoint and holds a lock on its output.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from cron.errors import Stopped, TrainerDied, TrainingFailed
from cron.local.child_environment import MODEL, RANKS, SYSTEM, only
from trainer.candidate_files import last_checkpoint_ns
from trainer.config import TrainConfig, dump_config
from trainer.machine.prctl import die_with_parent
from trainer.machine.preemption import BY_SIGNAL

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[3]
_TAIL_CHARS = 2000
_SENTENCE = "trainer: "  # begins the message with which `python -m trainer` ends with status 1
_OF_THE_MACHINE = _SENTENCE + "machine: "  # … when the snapshot is not the cause
_CRASH = (
    "terminate called",
    "  what():",
    "Fatal Python error",
)  # of C++ and of Python's fault handler
_POLL_S = 0.1
_GONE_WITHIN_S = 10.0
_GRACE_S = 5.0  # for a training that is stopped to finish a step and write a checkpoint


class TrainerProcess:
    """A TrainLauncher: one training at a time, in its own process group.

    `runner` is the command before the trainer's arguments.
    The trainer gets no password: only the variables that any program needs, those of torch, and
    those named in `also`.
    """

    def __init__(
        self, runner: Sequence[str], *, text_cache: Path, also: Sequence[str] = ()
    ) -> None:
        self._runner = tuple(runner)
        self._also = tuple(also)
        self._text_cache = text_cache
        self._stopping = threading.Event()
        self._cancelled = threading.Event()

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        """Run the trainer to its end; its output goes to `trainer.log` next to `out`.

        Raise TrainingFailed when it reports what is wrong with its input, TrainerDied when
        something else ended it, Stopped after `stop` or `cancel`. A candidate that exists counts,
        even if the trainer died afterwards. A trainer that ends without a message has crashed,
        perhaps because of the network or of memory. It is started again and resumes from its
        checkpoint: once, and again whenever it has written a new checkpoint since its last start.
        """
        try:
            return out if _is_candidate(out) else self._make(snapshot, config, out, limit_s)
        finally:
            self._cancelled.clear()  # not at the start: a `cancel` just before counts

    def _make(self, snapshot: Path, config: TrainConfig, out: Path, limit_s: float) -> Path:
        if self._is_stopping():
            raise Stopped
        out.parent.mkdir(parents=True, exist_ok=True)
        dump_config(config, out.parent / "config.json")
        trainer_log = out.parent / "trainer.log"
        ends_at = time.monotonic() + limit_s
        last_ns, is_second = None, False
        while True:
            status, printed = self._try(
                self._command(snapshot, out), self._environment(config), trainer_log, ends_at
            )
            if _is_candidate(out):
                return out
            messages = _messages(printed)
            of_input = bool(messages) and not messages[-1].startswith(_OF_THE_MACHINE)
            kind = TrainingFailed if of_input else TrainerDied
            failed = kind(
                exit_status=status, limit_s=limit_s, log=trainer_log, tail=_last_words(printed)
            )
            before_ns, last_ns = last_ns, last_checkpoint_ns(out)
            has_advanced = last_ns is not None and last_ns != before_ns
            may_repeat = not messages or BY_SIGNAL in messages[-1]
            if status is None or not may_repeat or (is_second and not has_advanced):
                raise failed
            is_second = True
            log.warning("%s; resuming from its checkpoint, if it wrote one", failed)

    def _try(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        trainer_log: Path,
        ends_at: float,
    ) -> tuple[int | None, str]:
        """Start the trainer once; return its status and what it printed.

        The status is None when the wall limit ended it.
        """
        with trainer_log.open("ab") as stream:
            begin = stream.tell()
            child = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only a system call
            )
            status = self._wait(child, ends_at)
        return status, trainer_log.read_bytes()[begin:].decode(errors="replace")

    def stop(self) -> None:
        """See the port."""
        self._stopping.set()

    def cancel(self) -> None:
        """See the port."""
        self._cancelled.set()

    def _is_stopping(self) -> bool:
        return self._stopping.is_set() or self._cancelled.is_set()

    def _command(self, snapshot: Path, out: Path) -> list[str]:
        # people wait for the model server on the same cores, not for the trainer
        nice = shutil.which("nice")
        files = {
            "snapshot": snapshot,
            "config": out.parent / "config.json",
            "out": out,
            "text-cache": self._text_cache,
        }
        arguments = [word for name, path in files.items() for word in (f"--{name}", str(path))]
        return [*([nice, "-n", "10"] if nice else []), *self._runner, *arguments]

    def _environment(self, config: TrainConfig) -> dict[str, str]:
        kept = only(os.environ, SYSTEM, MODEL, RANKS, self._also)
        threads = {"OMP_NUM_THREADS": str(config.num_threads), "TOKENIZERS_PARALLELISM": "false"}
        return {**kept, **threads, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}

    def _wait(self, child: subprocess.Popen[bytes], ends_at: float) -> int | None:
        """Return the child's status; None when the wall limit ended it."""
        grace_s = 0.0
        try:
            while True:
                try:
                    return child.wait(timeout=_POLL_S)
                except subprocess.TimeoutExpired:
                    pass
                if self._is_stopping():
                    grace_s = _GRACE_S
                    raise Stopped
                if time.monotonic() >= ends_at:
                    return None
        finally:
            _end_group(child, grace_s=grace_s)


def _end_group(child: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """Kill the child and its ranks, which may have their own sessions.

    In its last seconds, if it has any, it can write a checkpoint.
    """
    try:
        ranks = psutil.Process(child.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        ranks = []
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if grace_s > 0:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait(timeout=grace_s)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for rank in ranks:
        with suppress(psutil.NoSuchProcess):
            rank.kill()
    child.wait()
    psutil.wait_procs(ranks, timeout=_GONE_WITHIN_S)


def _is_candidate(out: Path) -> bool:
    return (out / "report.json").is_file()  # the folder is renamed into place as a whole


def _messages(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith(_SENTENCE)]


def _last_words(printed: str) -> str:
    """Return the trainer's message, or the cause of its crash, or else the end of its output.

    A runner prints a page after any of them.
    """
    crash = [line for line in printed.splitlines() if line.startswith(_CRASH)]
    return "\n".join(_messages(printed)[-1:] or crash) or printed[-_TAIL_CHARS:].strip()
