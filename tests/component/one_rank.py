"""One rank of a test: it makes several candidates, one after the other.

python -m tests.component.one_rank TASKS.json
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.component.training import TrainingKilled
from trainer.__main__ import leave
from trainer.candidate import Job, make_candidate
from trainer.codec import decode
from trainer.config import TrainConfig
from trainer.machine import distributed


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A candidate to make; with `num_steps`, its training is killed after so many."""

    snapshot: str
    out: str
    config: TrainConfig
    num_steps: int | None = None


def main() -> None:
    tasks = decode(Path(sys.argv[1]).read_text(encoding="utf-8"), list[Task])
    torch.set_num_threads(1)
    with distributed.process_group(torch.device("cpu")):
        for task in tasks:
            make(task)
    leave(0)


def make(task: Task) -> None:
    job = Job(
        snapshot=Path(task.snapshot),
        config=task.config,
        out=Path(task.out),
        text_cache=None,
        check=killing_after(task.num_steps),
    )
    try:
        make_candidate(job)
    except TrainingKilled:
        assert task.num_steps is not None


def killing_after(num_steps: int | None) -> Callable[[], None]:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == num_steps:
            raise TrainingKilled

    return check


if __name__ == "__main__":
    main()
