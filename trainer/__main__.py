"""The command that makes a candidate from a snapshot and a configuration.

    python -m trainer --snapshot var/runs/7/snapshot --config var/runs/7/config.json \\
        --out var/runs/7/candidate
    torchrun --nproc-per-node 2 -m trainer …

The exit status is 0 when the candidate is complete. It is 1, after one sentence on stderr, when it
cannot be made: `trainer: …`, or `trainer: machine: …` when nothing is wrong with the snapshot.
After a kill, the same command resumes the training. SIGTERM ends it after a step and a checkpoint.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import torch

from recommender.bundle import BundleError
from recommender.encoder.encoder import EncoderError
from trainer.candidate import Job, make_candidate
from trainer.config import load_config
from trainer.data.dataset import SnapshotError
from trainer.data.start import CannotStart
from trainer.machine import distributed
from trainer.machine.device import claim_device
from trainer.machine.guard import CandidateInUse, Orphaned, Parent, candidate_lock
from trainer.machine.memory import keep_freed_memory
from trainer.machine.preemption import Preempted, PreemptionNotice

# The message of each says why in one sentence.
CANNOT = (BundleError, EncoderError, SnapshotError, CannotStart, ValueError)
MACHINE = (
    CandidateInUse,
    Orphaned,
    Preempted,
    torch.OutOfMemoryError,
)  # nothing is wrong with the snapshot


def main(arguments: Sequence[str] | None = None, notice: PreemptionNotice | None = None) -> int:
    """Run the command and return its exit status; a notice ends it early."""
    os.umask(0o077)  # the candidate contains what people did
    try:
        train(arguments, notice or PreemptionNotice())
    except MACHINE as error:
        sys.stderr.write(f"trainer: machine: {error}\n")
        return 1
    except CANNOT as error:
        sys.stderr.write(f"trainer: {error}\n")
        return 1
    return 0


def train(arguments: Sequence[str] | None, notice: PreemptionNotice) -> None:
    """Run the command; raise an error of CANNOT or MACHINE.

    The environment says whether this process is one rank of several.
    """
    parser = argparse.ArgumentParser(
        prog="python -m trainer", description="Train a candidate from a snapshot."
    )
    parser.add_argument("--snapshot", type=Path, required=True, help="the snapshot directory")
    parser.add_argument(
        "--config", type=Path, required=True, help="the training configuration, JSON"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the candidate folder to make; OUT.partial and OUT.lock are made next to it",
    )
    parser.add_argument(
        "--text-cache", type=Path, help="a folder that caches text vectors between runs"
    )
    given = parser.parse_args(arguments)
    parent = Parent()
    config = load_config(given.config)
    torch.set_num_threads(config.num_threads)
    device = claim_device(config.device)
    job = Job(
        snapshot=given.snapshot,
        config=config,
        out=given.out,
        text_cache=given.text_cache,
        check=parent.check,
        before_steps=keep_freed_memory,
        notice=notice,
        device=device,
    )
    with (
        distributed.process_group(device),
        candidate_lock(given.out) if distributed.rank() == 0 else nullcontext(),
    ):
        make_candidate(job)


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
