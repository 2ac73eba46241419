"""The quality metrics of a report as rows for the ledger, which the status page plots. Pure."""

from __future__ import annotations

import math
from datetime import datetime

from cron.gate.comparison import mean_ndcg, rmse
from cron.lineage import Kind, Quality, Run
from trainer.report import Evaluation, Report


def quality_rows(report: Report, run: Run, *, at: datetime) -> list[Quality]:
    """Return one row per set of events and model.

    The sets are `fresh` (the live model before training on the new events), `panel` and `older`
    (what the gate judged).
    """
    return [
        *_rows("fresh", report.fresh, run, at),
        *_rows("panel", report.panel, run, at),
        *_rows("older", report.older, run, at),
    ]


def _rows(kind: Kind, evaluation: Evaluation | None, run: Run, at: datetime) -> list[Quality]:
    if evaluation is None or sum(evaluation.num_events) == 0:
        return []
    rows = []
    for model in evaluation.models:
        if model == "biases":  # biases rank nothing
            continue
        ndcg, error = mean_ndcg(evaluation, model), rmse(evaluation, model)
        rows.append(
            Quality(
                run_id=run.run_id,
                kind=kind,
                model=model,
                version=run.supersedes if model == "live" else None,
                ndcg=ndcg if math.isfinite(ndcg) else 0.0,
                rmse=error if error is not None and math.isfinite(error) else None,
                num_users=len(evaluation.user_ids),
                num_events=sum(evaluation.num_events),
                at=at,
            )
        )
    return rows
