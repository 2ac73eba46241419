"""Trains RecTools' SASRec in one process or several, by Lightning's DDP.

bench/speed/scaling_peer.py runs this script in RecTools' own environment.

    PYTHON ddp_peer.py TASK.json INTERACTIONS.csv OUT.json

TASK has parameters (of the model; its batch size is that of all processes together), epochs, seed,
threads (of each process) and processes. INTERACTIONS has user, item and at (epoch seconds). OUT has
the seconds of training: inside epochs, without preparation. Lightning starts this script again for
each process but the first.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning import Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from bench.contestants.rectools_peer import EpochClock


def main(task_file: str, interactions: str, out: str) -> None:
    """Train once and write what it took."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(task["threads"])
    seed_everything(task["seed"])
    rows = pd.read_csv(interactions).rename(columns={"user": Columns.User, "item": Columns.Item})
    rows[Columns.Datetime] = pd.to_datetime(rows.pop("at"), unit="s")
    rows[Columns.Weight] = 1.0
    clock = EpochClock()
    processes = task["processes"]
    parameters = {**task["parameters"]}
    parameters["batch_size"] //= processes
    model = SASRecModel(
        **parameters,
        get_trainer_func=lambda: Trainer(
            callbacks=[clock],
            max_epochs=task["epochs"],
            devices=processes,
            strategy="ddp" if processes > 1 else "auto",
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ),
    )
    model.fit(Dataset.construct(rows))
    if os.environ.get("LOCAL_RANK", "0") == "0":
        Path(out).write_text(json.dumps({"seconds": clock.seconds}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
