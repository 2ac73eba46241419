"""The quality figures that a report leaves in the ledger, for the curve of the status page. Pure."""

from __future__ import annotations

import math
from datetime import datetime

from cron.gate.verdicts import mean_ndcg, rmse
from cron.lineage import Kind, Quality, Run
from trainer.report import Evaluation, Report


def quality_rows(report: Report, run: Run, *, at: datetime) -> list[Quality]:
    """Return one row a model: `fresh` (the live model before training on the new events), `panel` and `older` (what the gate judged)."""
    rows = []
    evaluations: tuple[tuple[Kind, Evaluation | None], ...] = (
        ("fresh", report.fresh),
        ("panel", report.panel),
        ("older", report.older),
    )
    for kind, evaluation in evaluations:
        if evaluation is None or sum(evaluation.num_events) == 0:
            continue
        for model in (name for name in evaluation.models if name != "biases"):  # which rank nothing
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
