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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cron.backends.launch.silence import Silence, silent_sentence
from cron.errors import Stopped, TrainerDied, TrainingFailed
from cron.local.child_environment import MODEL, RANKS, SYSTEM, only
from trainer.candidate_files import last_checkpoint_ns
from trainer.config import TrainConfig, dump_config
from trainer.machine.prctl import die_with_parent
from trainer.machine.sentences import OF_THE_MACHINE, decisive, is_final

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[3]
_TAIL_CHARS = 2000
_CRASH = (
    "terminate called",
    "  what():",
    "Fatal Python error",
    "torch.distributed.DistNetworkError",
)  # of C++, of Python's fault handler, and of torchrun, such as a port in use
_POLL_S = 0.1
_GONE_WITHIN_S = 10.0
SILENT = -1000  # the status of a training that was ended since it made no progress
_GRACE_S = 5.0  # for a training that is stopped to finish a step and write a checkpoint


class TrainerProcess:
    """A TrainLauncher: one training at a time, in its own process group.

    `runner` is the command before the trainer's arguments.
    The trainer gets no password: only the variables that any program needs, those of torch, and
    those named in `also`. `settings` are variables of the runner itself. A runner that `restarts`
    ranks is stopped when one of them says that starting again does not help. `last_checkpoint`
    tells the newest checkpoint of a candidate from others, None without one.
    """

    def __init__(
        self,
        runner: Sequence[str],
        *,
        text_cache: Path,
        also: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        restarts: bool = False,
        last_checkpoint: Callable[[Path], object] = last_checkpoint_ns,
    ) -> None:
        self._runner = tuple(runner)
        self._also = tuple(also)
        self._settings = dict(settings or {})
        self._restarts = restarts
        self._last_checkpoint = last_checkpoint
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
        ends_at_s = time.monotonic() + limit_s
        newest: object = None
        is_second = False
        while True:
            limits = _TryLimits(
                ends_at_s=ends_at_s,
                silence=Silence(out, limit_s=config.silence_limit_s),
                printed=_NewLines(trainer_log),
            )
            status = self._try(self._command(snapshot, out), self._environment(config), limits)
            printed = limits.printed.all()
            is_silent = status == SILENT
            if is_silent:
                status = -signal.SIGKILL
                printed += f"{silent_sentence(config.silence_limit_s)}\n"
            if _is_candidate(out):
                return out
            message = decisive(printed.splitlines())
            of_input = message is not None and not message.startswith(OF_THE_MACHINE)
            kind = TrainingFailed if of_input else TrainerDied
            failed = kind(
                exit_status=status, limit_s=limit_s, log=trainer_log, tail=_last_words(printed)
            )
            before, newest = newest, self._last_checkpoint(out)
            has_advanced = newest is not None and newest != before
            may_repeat = message is None or not is_final(message)
            # a silence takes so long that it may be repeated until the wall limit
            is_vain = is_second and not has_advanced and not is_silent
            if status is None or not may_repeat or is_vain:
                raise failed
            is_second = True
            log.warning("%s; resuming from its checkpoint, if it wrote one", failed)

    def _try(
        self, command: Sequence[str], environment: Mapping[str, str], limits: _TryLimits
    ) -> int | None:
        """Start the trainer once and return its status: None when the wall limit ended it."""
        with limits.printed.file.open("ab") as stream:
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
            return self._wait(child, limits)

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
        fixed = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        return {**kept, **threads, **fixed, **self._settings}

    def _wait(self, child: subprocess.Popen[bytes], limits: _TryLimits) -> int | None:
        """Return the child's status; SILENT, or None when the wall limit ended it."""
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
                if time.monotonic() >= limits.ends_at_s:
                    return None
                if limits.silence.is_over():
                    return SILENT
                if self._restarts and any(map(is_final, limits.printed.read())):
                    grace_s = _GRACE_S
                    return 1  # as the rank that said so
        finally:
            _end_group(child, grace_s=grace_s)


class _NewLines:
    """The lines that are added to a growing file from now on, each read once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._begin = self._place = file.stat().st_size if file.exists() else 0

    def read(self) -> list[str]:
        """Return the whole lines that were added since the last call."""
        with self.file.open("rb") as stream:
            stream.seek(self._place)
            whole, _, _ = stream.read().rpartition(b"\n")
        self._place += len(whole) + 1 if whole else 0
        return whole.decode(errors="replace").splitlines()

    def all(self) -> str:
        """Return everything that was added."""
        return self.file.read_bytes()[self._begin :].decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class _TryLimits:
    """What ends one try of a training."""

    ends_at_s: float
    silence: Silence
    printed: _NewLines


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


def _last_words(printed: str) -> str:
    """Return the trainer's message, or the cause of its crash, or else the end of its output.

    A runner prints a page after any of them.
    """
    message = decisive(printed.splitlines())
    crash = [line for line in printed.splitlines() if line.startswith(_CRASH)]
    if message is not None and (is_final(message) or not crash):
        return message
    return "\n".join(crash) or printed[-_TAIL_CHARS:].strip()
