"""Made-up reports of candidates for the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from cron.gate.verdict import Verdict
from cron.gate.wording import Against
from cron.settings.tree import GateSettings
from trainer.report import Evaluation, Report, Scores

SETTINGS = GateSettings()
AGAINST = Against(live=3, anchor=1)
NUM_USERS = 80
RNG = np.random.default_rng(5)
LIVE = RNG.uniform(0.0, 0.4, NUM_USERS)
ERRORS = RNG.uniform(0.6, 1.2, NUM_USERS)


def scores(ndcg: Iterable[float], errors: Iterable[float] | None, coverage: float = 0.5) -> Scores:
    values = tuple(ndcg)
    squared = tuple(errors) if errors is not None else (None,) * len(values)
    return Scores(ndcg=values, squared_error=squared, coverage=coverage)


def report(
    models: Mapping[str, Scores], *, events_each: int = 20, num_users: int = NUM_USERS
) -> Report:
    panel = Evaluation(
        user_ids=tuple(f"u{number}" for number in range(num_users)),
        num_events=(events_each,) * num_users,
        num_ratings=(events_each,) * num_users,
        models=models,
    )
    return Report(
        mode="update",
        finite_weights=True,
        num_targets=1000,
        num_replay=2000,
        num_items=40,
        rating_scale=(1.0, 5.0),
        panel=panel,
        fresh=None,
        losses=(1.0,),
        popular=(),
        data_digest="d",
        bundle_digest="b",
        versions={},
        seconds={},
    )


def candidate(
    ndcg_change: float = 0.0,
    error_change: float = 0.0,
    *,
    coverage: float = 0.5,
    noise: float = 0.01,
) -> Report:
    """Return a report whose candidate differs from live by so much, with noise a user."""
    wobble = np.random.default_rng(1).normal(0, noise, NUM_USERS)
    wobble -= wobble.mean()
    return report(
        {
            "candidate": scores(LIVE + ndcg_change + wobble, ERRORS + error_change, coverage),
            "live": scores(LIVE, ERRORS),
            "anchor": scores(LIVE, ERRORS),
            "popularity": scores(LIVE / 3, None),
        }
    )


def with_older(
    made: Report, ndcg_change: float = 0.0, error_change: float = 0.0, *, num_users: int = NUM_USERS
) -> Report:
    """Return the report with older events, on which the candidate differs from live by so much."""
    models = {
        "candidate": scores(LIVE[:num_users] + ndcg_change, ERRORS[:num_users] + error_change),
        "live": scores(LIVE[:num_users], ERRORS[:num_users]),
        "popularity": scores(LIVE[:num_users] / 3, None),
    }
    return replace(made, older=report(models, num_users=num_users).panel)


def refusals(verdict: Verdict) -> list[str]:
    return [reason.name for reason in verdict.reasons if not reason.ok]
