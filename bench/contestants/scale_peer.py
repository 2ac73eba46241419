"""An epoch of RecTools' SASRec, or an iteration of implicit's ALS, on a made-up shop.

`bench/scale/peers.py` runs this script in the peer's own environment.

    PYTHON scale_peer.py TASK.json EVENTS.npz OUT.json

TASK has peer (sasrec or als), threads, and the model's parameters. EVENTS has users_E, items_E and
at_E. OUT has cpu_s, the processor time of training, and peak_gib of the process.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def main(task_file: str, events_file: str, out: str) -> None:
    """Train once and write what it took."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    events = np.load(events_file)
    warnings.simplefilter("ignore")
    cpu_s = {"sasrec": _sasrec, "als": _als}[task["peer"]](task, events)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    Path(out).write_text(json.dumps({"cpu_s": cpu_s, "peak_gib": peak_gib}), encoding="utf-8")


def _als(task: Mapping[str, Any], events: Mapping[str, np.ndarray[Any, Any]]) -> float:
    """Train one iteration; a user and item met twice count twice."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import coo_matrix

    ones_E = np.ones(len(events["users_E"]), np.float32)
    matrix = coo_matrix((ones_E, (events["users_E"], events["items_E"]))).tocsr()
    model = AlternatingLeastSquares(num_threads=task["threads"], **task["parameters"])
    began_s = time.process_time()
    model.fit(matrix, show_progress=False)
    return time.process_time() - began_s


def _sasrec(task: Mapping[str, Any], events: Mapping[str, np.ndarray[Any, Any]]) -> float:
    """Train one epoch; the preparation of the data counts, as it does for ours."""
    import pandas as pd
    import torch
    from pytorch_lightning import Trainer
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(task["threads"])
    rows = pd.DataFrame(
        {
            Columns.User: events["users_E"],
            Columns.Item: events["items_E"],
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(events["at_E"], unit="s"),
        }
    )
    model = SASRecModel(
        **task["parameters"],
        get_trainer_func=lambda: Trainer(
            max_epochs=1,
            devices=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ),
    )
    began_s = time.process_time()
    model.fit(Dataset.construct(rows))
    return time.process_time() - began_s


if __name__ == "__main__":
    main(*sys.argv[1:])
