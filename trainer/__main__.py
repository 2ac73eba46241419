"""Snapshot and configuration in, candidate out.

    python -m trainer --snapshot var/runs/7/snapshot --config var/runs/7/config.json --out var/runs/7/candidate
    torchrun --nproc-per-node 2 -m trainer …

Ends with status 0 when the candidate is there, 1 with one sentence when it can't be made: `trainer:
…`, or `trainer: machine: …` when nothing is wrong with the snapshot. Killed, it resumes when called
again.
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
from recommender.encoder import EncoderError
from trainer import distributed
from trainer.candidate import Job, make_candidate
from trainer.config import load_config
from trainer.dataset import SnapshotError
from trainer.device import claim_device
from trainer.guard import CandidateInUse, Orphaned, Parent, candidate_lock
from trainer.memory import keep_freed_memory
from trainer.start import CannotStart

# each says why in a sentence
CANNOT = (BundleError, EncoderError, SnapshotError, CannotStart, ValueError)
MACHINE = (CandidateInUse, Orphaned, torch.OutOfMemoryError)  # nothing is wrong with the snapshot


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    os.umask(0o077)  # snapshot and candidate hold what people did
    try:
        train(arguments)
    except MACHINE as error:
        sys.stderr.write(f"trainer: machine: {error}\n")
        return 1
    except CANNOT as error:
        sys.stderr.write(f"trainer: {error}\n")
        return 1
    return 0


def train(arguments: Sequence[str] | None = None) -> None:
    """Run the command, as one rank of several where the environment says so; raise what is in CANNOT or MACHINE."""
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
        help="the candidate folder to make; OUT.partial and OUT.lock lie beside it",
    )
    parser.add_argument(
        "--text-cache", type=Path, help="a folder that keeps text vectors between runs"
    )
    given = parser.parse_args(arguments)
    parent = Parent()
    keep_freed_memory()
    config = load_config(given.config)
    torch.set_num_threads(config.num_threads)
    device = claim_device(config.device)
    job = Job(
        snapshot=given.snapshot,
        config=config,
        out=given.out,
        text_cache=given.text_cache,
        check=parent.check,
        device=device,
    )
    with (
        distributed.process_group(device),
        candidate_lock(given.out) if distributed.rank() == 0 else nullcontext(),
    ):
        make_candidate(job)


def leave(status: int) -> NoReturn:
    """End the process without Python's own end: twice a rank whose work was done aborted there or just before; docs/log.md."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
