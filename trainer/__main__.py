"""The command that makes a candidate from a snapshot and a configuration.

    python -m trainer --snapshot var/runs/7/snapshot --config var/runs/7/config.json \\
        --out var/runs/7/candidate
    torchrun --nproc-per-node 2 -m trainer …

The exit status is 0 when the candidate is complete. It is 1, after one sentence on stderr, when it
cannot be made: `trainer: …`, or `trainer: machine: …` when nothing is wrong with the snapshot.
After a kill, the same command resumes the training. SIGTERM ends it after a step and a checkpoint.

With ranks on several machines, those of the machine that starts the training are run with --leads,
and the others as `python -m trainer --follows`, which `python -m trainer.join` does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import torch

from recommender.bundle import BundleError
from recommender.encoder.encoder import EncoderError
from trainer.candidate import Job, make_candidate
from trainer.candidate_files import EVENTS
from trainer.codec import decode, encode
from trainer.config import Device, TrainConfig, load_config
from trainer.data.dataset import SnapshotError
from trainer.data.event_file import EventFile
from trainer.data.start import CannotStart
from trainer.machine import distributed
from trainer.machine.device import claim_device
from trainer.machine.guard import CandidateInUse, Orphaned, Parent, candidate_lock
from trainer.machine.meeting import LostRank, meet
from trainer.machine.memory import keep_freed_memory
from trainer.machine.preemption import Preempted, PreemptionNotice
from trainer.machine.sentences import OF_THE_MACHINE, SENTENCE
from trainer.remote_files.names import SNAPSHOT
from trainer.remote_files.receiver import local_files
from trainer.remote_files.sender import send
from trainer.remote_files.store import FileStore, below, open_store

# The message of each says why in one sentence.
CANNOT = (BundleError, EncoderError, SnapshotError, CannotStart, ValueError)
MACHINE = (
    CandidateInUse,
    LostRank,
    Orphaned,
    Preempted,
    torch.OutOfMemoryError,
)  # nothing is wrong with the snapshot


def main(arguments: Sequence[str] | None = None, notice: PreemptionNotice | None = None) -> int:
    """Run the command and return its exit status; a notice ends it early."""
    os.umask(0o077)  # the candidate contains what people did
    notice = notice or PreemptionNotice()
    try:
        with notice.explain_errors():
            train(arguments, notice)
    except MACHINE as error:
        sys.stderr.write(f"{OF_THE_MACHINE}{error}\n")
        return 1
    except CANNOT as error:
        sys.stderr.write(f"{SENTENCE}{error}\n")
        return 1
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What to train. Paths are text, as in the message to ranks on other machines."""

    snapshot: str
    out: str
    text_cache: str | None
    config: TrainConfig


def train(
    arguments: Sequence[str] | None,
    notice: PreemptionNotice,
    events: EventFile | None = None,
) -> None:
    """Run the command; raise an error of CANNOT or MACHINE.

    The environment says whether this process is one rank of several. `events` is where the
    snapshot's events are if they are elsewhere.
    """
    given = _parse(arguments)
    parent = Parent()
    order, meeting = None if given.follows else _order(given), None
    if given.leads or given.follows:
        message = _for_others(order, given) if order is not None else None
        meeting = meet(message, parent.check)
        order = order or decode(meeting.order, _Order)
    assert order is not None
    torch.set_num_threads(order.config.num_threads)
    device = claim_device(order.config.device)
    with _snapshot_here(order.snapshot) as here:
        job = Job(
            snapshot=here.folder,
            events=events or here.events,
            config=order.config,
            out=Path(order.out),
            text_cache=Path(order.text_cache) if order.text_cache is not None else None,
            check=parent.check,
            before_steps=partial(
                keep_freed_memory,
                but_large_blocks=order.config.encoder_memory.divide_weights,
            ),
            notice=notice,
            device=device,
        )
        with (
            distributed.process_group(device, meeting),
            candidate_lock(job.out) if distributed.rank() == 0 else nullcontext(),
        ):
            make_candidate(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SnapshotHere:
    """The folder of a snapshot on this machine, and its events if they are elsewhere."""

    folder: Path
    events: EventFile | None = None


@contextmanager
def _snapshot_here(snapshot: str) -> Iterator[_SnapshotHere]:
    """Yield a snapshot; of one in a store, what ranks that follow need is fetched."""
    if "://" not in snapshot:
        yield _SnapshotHere(folder=Path(snapshot))
        return
    store = open_store(snapshot)
    with local_files(store, is_first=False) as here:
        yield _SnapshotHere(folder=here.snapshot, events=events_in(store))


def events_in(store: FileStore) -> EventFile:
    """Return the events of the snapshot that was sent through a store."""
    return EventFile(files=store.files, path=f"{store.root}/{SNAPSHOT}/{EVENTS}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trainer", description="Train a candidate from a snapshot."
    )
    parser.add_argument("--snapshot", help="the snapshot directory")
    parser.add_argument("--config", type=Path, help="the training configuration, JSON")
    parser.add_argument(
        "--out", help="the candidate folder to make; OUT.partial and OUT.lock are made next to it"
    )
    parser.add_argument("--text-cache", help="a folder that caches text vectors between runs")
    parser.add_argument(
        "--store", help="with --leads: where other machines get the snapshot, without a shared one"
    )
    role = parser.add_mutually_exclusive_group()
    role.add_argument(
        "--leads",
        action="store_true",
        help="under torchrun on several machines: be a rank of the one that has the files",
    )
    role.add_argument(
        "--follows",
        action="store_true",
        help="be a rank of another machine, which gets all other options from the first rank",
    )
    given = parser.parse_args(arguments)
    if not given.follows and None in (given.snapshot, given.config, given.out):
        parser.error("--snapshot, --config and --out are required")
    return given


def _order(given: argparse.Namespace) -> _Order:
    return _Order(
        snapshot=given.snapshot,
        out=given.out,
        text_cache=given.text_cache,
        config=load_config(given.config),
    )


def _for_others(order: _Order, given: argparse.Namespace) -> str:
    """Return the message for ranks that follow, which need the same kind of device.

    With a store, the snapshot is there for them; the first rank of this machine sends it.
    """
    device: Device = "cuda" if claim_device(order.config.device).type == "cuda" else "cpu"
    snapshot = order.snapshot
    if given.store is not None:
        snapshot = below(given.store, Path(order.out).parent.name)
        if os.environ.get("LOCAL_RANK", "0") == "0":
            send(open_store(snapshot), snapshot=Path(order.snapshot), config=given.config)
    return encode(replace(order, snapshot=snapshot, config=replace(order.config, device=device)))


def leave(status: int) -> NoReturn:
    """Exit without Python's own shutdown.

    Twice, a rank that had finished its work aborted in that shutdown or just before; docs/log.md.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    of_this_process = PreemptionNotice()
    of_this_process.listen()
    leave(main(notice=of_this_process))
