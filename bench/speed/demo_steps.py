"""What a training step costs with the code of the working folder; printed as JSON.

    PYTHONPATH=CODE python -P bench/speed/demo_steps.py RUN OUT

RUN is a folder of `var/runs` with the snapshot and the configuration of a full retrain. It imports
nothing of the bench, and finds the class whose `run` takes a step where it is now and where it was.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import torch

WARM_UP = 5  # steps
PLACES = (("trainer.learning.step", "Step"), ("trainer.loop", "_Step"))


def main(run: Path, out: Path) -> None:
    """Train again, and print the median processor time of a step and the rest of the training."""
    torch.set_num_threads(1)
    trainer, (module, name) = importlib.import_module("trainer.__main__"), _first_place()
    steps = getattr(module, name)
    take_step, seconds = steps.run, []

    def take_timed(*arguments: object, **options: object) -> object:
        began_s = time.process_time()
        loss = take_step(*arguments, **options)
        seconds.append(time.process_time() - began_s)
        return loss

    steps.run = take_timed
    options = ["--snapshot", run / "snapshot", "--config", run / "config.json", "--out", out]
    assert trainer.main(list(map(str, options))) == 0
    total_s = time.process_time()
    values = {
        "a training step, median, ms": 1000 * statistics.median(seconds[WARM_UP:]),
        "a training step, mean, ms": 1000 * statistics.mean(seconds[WARM_UP:]),
        "a full retrain without its steps, s": total_s - sum(seconds),
    }
    print(json.dumps(values))


def _first_place() -> tuple[ModuleType, str]:
    for module, name in PLACES:
        with suppress(ModuleNotFoundError):
            return importlib.import_module(module), name
    raise ModuleNotFoundError(PLACES[0][0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
