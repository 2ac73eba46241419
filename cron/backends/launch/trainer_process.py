"""A training as a child process of this machine, whatever starts its ranks: what `process:` and `torchrun:` share.

Knows how to start, bound and end a child; does not know what a trainer does. The trainer itself
resumes from its checkpoint and holds a lock on its output.
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
from trainer.config import TrainConfig, dump_config
from trainer.prctl import die_with_parent

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[3]
_TAIL_CHARS = 2000
_SENTENCE = "trainer: "  # how `python -m trainer` begins what it says before it ends with status 1
_OF_THE_MACHINE = _SENTENCE + "machine: "  # … when nothing is wrong with the snapshot
_CRASH = (
    "terminate called",
    "  what():",
    "Fatal Python error",
)  # of C++ and of Python's fault handler
_POLL_S = 0.1
_GONE_WITHIN_S = 10.0


class TrainerProcess:
    """A TrainLauncher: one training at a time, in a process group of its own. `runner` is the command before the trainer's arguments.

    The trainer sees no password: only what any program needs, what torch reads, and the variables
    that `also` names.
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
        """Run the trainer to its end; its output goes to `trainer.log` beside `out`.

        Raise TrainingFailed when it says what is wrong with its input, TrainerDied when something
        else ended it, Stopped when told to end. A candidate that lies there is one, whatever its
        maker died of afterwards. A trainer that ends without a word of its own has crashed, of the
        network or the memory of a moment perhaps: it is started once more, and goes on from its
        checkpoint.
        """
        try:
            return out if _is_candidate(out) else self._make(snapshot, config, out, limit_s)
        finally:
            self._cancelled.clear()  # not at the start: a `cancel` that came just before counts

    def _make(self, snapshot: Path, config: TrainConfig, out: Path, limit_s: float) -> Path:
        if self._is_told_to_end():
            raise Stopped
        out.parent.mkdir(parents=True, exist_ok=True)
        dump_config(config, out.parent / "config.json")
        trainer_log = out.parent / "trainer.log"
        ends_at = time.monotonic() + limit_s
        for again in (False, True):
            status, printed = self._try(
                self._command(snapshot, out), self._environment(config), trainer_log, ends_at
            )
            if _is_candidate(out):
                break
            said = _sentences(printed)
            kind = (
                TrainingFailed if said and not said[-1].startswith(_OF_THE_MACHINE) else TrainerDied
            )
            failed = kind(
                exit_status=status, limit_s=limit_s, log=trainer_log, tail=_last_words(printed)
            )
            if again or status is None or said:
                raise failed
            log.warning("%s; going on from its checkpoint, if it wrote one", failed)
        return out

    def _try(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        trainer_log: Path,
        ends_at: float,
    ) -> tuple[int | None, str]:
        """Start the trainer once; return its status, None when the wall limit ended it, and what it printed."""
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
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only asks the kernel for something
            )
            status = self._wait(child, ends_at)
        return status, trainer_log.read_bytes()[begin:].decode(errors="replace")

    def stop(self) -> None:
        """End the training under way, from another thread, and start none after; `train` raises Stopped. A checkpoint stays."""
        self._stopping.set()

    def cancel(self) -> None:
        """End the training under way, or the next one at its start, from another thread; `train` raises Stopped. A checkpoint stays."""
        self._cancelled.set()

    def _is_told_to_end(self) -> bool:
        return self._stopping.is_set() or self._cancelled.is_set()

    def _command(self, snapshot: Path, out: Path) -> list[str]:
        nice = shutil.which(
            "nice"
        )  # the model server on the same cores answers people, the trainer does not
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
        try:
            while True:
                try:
                    return child.wait(timeout=_POLL_S)
                except subprocess.TimeoutExpired:
                    pass
                if self._is_told_to_end():
                    raise Stopped
                if time.monotonic() >= ends_at:
                    return None
        finally:
            _end_group(child)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the child and its ranks, which may have sessions of their own; at once, for a checkpoint lies on disk."""
    try:
        ranks = psutil.Process(child.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        ranks = []
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for rank in ranks:
        with suppress(psutil.NoSuchProcess):
            rank.kill()
    child.wait()
    psutil.wait_procs(ranks, timeout=_GONE_WITHIN_S)


def _is_candidate(out: Path) -> bool:
    return (out / "report.json").is_file()  # the folder is renamed into place as a whole


def _sentences(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith(_SENTENCE)]


def _last_words(printed: str) -> str:
    """Return the sentence in which the trainer said why, or what it crashed of, else the end of what was printed.

    A runner prints a page after any of them.
    """
    crash = [line for line in printed.splitlines() if line.startswith(_CRASH)]
    return "\n".join(_sentences(printed)[-1:] or crash) or printed[-_TAIL_CHARS:].strip()
