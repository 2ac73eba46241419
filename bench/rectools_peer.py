"""RecTools' SASRec or HSTU on one split; runs in an environment of its own, since it pins another numpy (see bench.peers).

    PYTHON rectools_peer.py MODEL PARAMETERS.json INTERACTIONS.csv OUT.json

INTERACTIONS has user, item, at (epoch seconds), train (1 or 0); all rows are history at the recommendation. OUT holds each user's ten
items, seen ones filtered, and the seconds that fitting took.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pandas as pd
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import HSTUModel, SASRecModel

MODELS = {"SASRec": SASRecModel, "HSTU": HSTUModel}


def main(model_name: str, parameters: str, interactions: str, out: str) -> None:
    """Fit and recommend."""
    rows = pd.read_csv(interactions)
    rows = rows.rename(columns={"user": Columns.User, "item": Columns.Item})
    rows[Columns.Weight] = 1.0
    rows[Columns.Datetime] = pd.to_datetime(rows["at"], unit="s")
    columns = [Columns.User, Columns.Item, Columns.Weight, Columns.Datetime]
    model = MODELS[model_name](**json.loads(Path(parameters).read_text()), recommend_torch_device="cpu")
    began = time.monotonic()
    model.fit(Dataset.construct(rows.loc[rows["train"] == 1, columns]))
    seconds = time.monotonic() - began
    context = None
    if model.require_recommend_context:  # it wants to know when it is asked: a second after the last that it reads
        context = rows.groupby(Columns.User, as_index=False)[Columns.Datetime].max()
        context[Columns.Datetime] += pd.Timedelta(seconds=1)
    users = rows[Columns.User].unique()
    found = model.recommend(
        users=users, dataset=Dataset.construct(rows[columns]), k=10, filter_viewed=True, on_unsupported_targets="warn", context=context
    )
    tops = found.sort_values([Columns.User, Columns.Rank]).groupby(Columns.User)[Columns.Item].agg(list)
    Path(out).write_text(json.dumps({"seconds": seconds, "tops": {str(user): [int(item) for item in top] for user, top in tops.items()}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
