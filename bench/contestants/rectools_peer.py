"""RecTools' SASRec or HSTU on one split.

contestants/peers.py runs this script in an environment of its own, since RecTools pins another
numpy.

    PYTHON rectools_peer.py TASK.json INTERACTIONS.csv ASKED.csv OUT.jsonl

TASK has model, parameters (of the model), epochs, every (epochs between two rankings), seed and
threads. INTERACTIONS has user, item and at (epoch seconds): the events to train on, which are also
the histories. ASKED has user and at: for whom to rank, and the time. A line of OUT is one ranking:
epoch, seconds and cpu_s (of training alone; processor time of all threads), and tops (ten items for
each user, seen ones filtered).
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import HSTUModel, SASRecModel

MODELS = {"SASRec": SASRecModel, "HSTU": HSTUModel}


class EpochClock(Callback):  # type: ignore[misc]  # Lightning is in the other environment
    """Adds up the seconds inside epochs; preparation and rankings do not count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_s = 0.0
        self._began = (0.0, 0.0)

    def __deepcopy__(self, _memo: object) -> EpochClock:
        """Return this clock: RecTools copies its trainer, and both must share the clock."""
        return self

    def on_train_epoch_start(
        self,
        trainer: Trainer,  # noqa: ARG002  # Lightning's signature
        pl_module: LightningModule,  # noqa: ARG002
    ) -> None:
        """Start the clock."""
        self._began = (time.monotonic(), time.process_time())

    def on_train_epoch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
    ) -> None:
        """Stop the clock."""
        self.seconds += time.monotonic() - self._began[0]
        self.cpu_s += time.process_time() - self._began[1]


def main(task_file: str, interactions: str, asked: str, out: str) -> None:
    """Train epoch by epoch, and rank every few epochs."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(task["threads"])
    seed_everything(task["seed"])
    rows = _read_rows(interactions)
    rows[Columns.Weight] = 1.0
    dataset = Dataset.construct(
        rows[[Columns.User, Columns.Item, Columns.Weight, Columns.Datetime]]
    )
    asked_rows = _read_rows(asked)
    clock = EpochClock()
    options = {
        "devices": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
    }
    model = MODELS[task["model"]](
        **task["parameters"],
        get_trainer_func=lambda: Trainer(
            callbacks=[clock], enable_model_summary=False, max_epochs=task["epochs"], **options
        ),
        recommend_torch_device="cpu",
    )
    with Path(out).open("w", encoding="utf-8") as file:
        for epoch in range(task["every"], task["epochs"] + 1, task["every"]):
            model.fit_partial(dataset, min_epochs=task["every"], max_epochs=task["every"])
            tops = _tops(model, dataset, asked_rows)
            file.write(
                json.dumps(
                    {"epoch": epoch, "seconds": clock.seconds, "cpu_s": clock.cpu_s, "tops": tops}
                )
                + "\n"
            )
            file.flush()


def _read_rows(path: str) -> pd.DataFrame:
    rows = pd.read_csv(path).rename(columns={"user": Columns.User, "item": Columns.Item})
    rows[Columns.Datetime] = pd.to_datetime(rows.pop("at"), unit="s")
    return rows


def _tops(
    model: SASRecModel | HSTUModel, dataset: Dataset, asked: pd.DataFrame
) -> dict[str, list[int]]:
    context = asked.assign(**{Columns.Weight: 1.0}) if model.require_recommend_context else None
    found = model.recommend(
        users=asked[Columns.User].to_numpy(),
        dataset=dataset,
        k=10,
        filter_viewed=True,
        context=context,
    )
    tops = (
        found.sort_values([Columns.User, Columns.Rank])
        .groupby(Columns.User)[Columns.Item]
        .agg(list)
    )
    return {str(user): [int(item) for item in top] for user, top in tops.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
