"""The statistics of experiments on simulated visitors, with a look every day.

How many experiments without an effect end significant, and whether a planted effect is found in the
time that the power calculation said; the same for the sample-ratio check and for interleaving.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.decisions.interleaved_visitors import MAX_USERS, users_until_preferred
from bench.decisions.sequential_tests import BORDERS, final_difference, found_on_day, mixture_border
from bench.decisions.simulated_visitors import (
    AUDIENCES,
    NUM_DAYS,
    Audience,
    DayOfArms,
    simulate,
)
from bench.report.rows import BenchMetric, is_quick, results_folder, save
from cron.experiments.differences import difference, mean_reward
from cron.experiments.power import crossing_probabilities, first_day
from cron.experiments.sample_ratio import ALPHA, is_broken

BENCH = "decisions-experiments"
SEED = 20
NUM_PILOTS = 40  # experiments without an effect, from which the power calculation knows the users
# large enough for nearly all of the planted effects to be found within the four weeks
LIFTS = {
    "new visitors each day": 0.3,
    "visitors who return": 0.12,
    "the same visitors every day": 0.1,
    "few and skewed purchases": 0.3,
}
_RATIO_USERS = 100_000
_RATIO_STEP = 500  # users between two looks at the sample ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRuns:
    """When planted effects were found: the share by each day, planned and measured."""

    audience: str
    lift: float
    planned: Sequence[float]
    measured: Sequence[float]


def measure_experiments(command: str) -> None:
    """Measure; write the page of results and the picture."""
    num_runs = 50 if is_quick() else 1_000
    generator = np.random.default_rng(SEED)
    nulls: dict[str, Mapping[str, Sequence[int | None]]] = {}
    rows: list[BenchMetric] = []
    planted = []
    for name, audience in AUDIENCES.items():
        nulls[name] = null_runs(audience, generator, num_runs=num_runs)
        rows += _null_rows(name, nulls[name])
        rows.append(_adjustment_row(name, audience, generator))
        found = planted_runs(name, audience, generator, num_runs=num_runs)
        planted.append(found)
        rows += _planted_rows(found)
        print(*(f"{row.metric}: {row.value:.4g}" for row in rows[-9:]), sep="\n", flush=True)
    rows += _sample_ratio_rows(generator, num_runs=num_runs)
    rows += _interleaving_rows(generator, num_runs=num_runs // 5)
    save(BENCH, "simulated visitors", rows, command=command)
    _draw(nulls["visitors who return"], planted)


def null_runs(
    audience: Audience, generator: np.random.Generator, *, num_runs: int
) -> dict[str, list[int | None]]:
    """Return, by test, the day on which each experiment without an effect ended significant."""
    found: dict[str, list[int | None]] = {name: [] for name in BORDERS}
    for _ in range(num_runs):
        days = simulate(audience, generator)
        for name, border in BORDERS.items():
            found[name].append(found_on_day(days, border, effect=0.1))
    return found


def planted_runs(
    name: str, audience: Audience, generator: np.random.Generator, *, num_runs: int
) -> PlantedRuns:
    """Plan with experiments that have no effect, then measure with the planted one."""
    lift = LIFTS[name]
    pilots = [simulate(audience, generator) for _ in range(NUM_PILOTS)]
    information = np.mean([_information(days) for days in pilots], axis=0)
    mean = float(np.mean([mean_reward(days[-1][0]) for days in pilots]))
    planned = crossing_probabilities(information.tolist(), effect=lift * mean, alpha=0.05)
    days_found = [
        found_on_day(simulate(audience, generator, lift=lift), mixture_border, effect=lift)
        for _ in range(num_runs)
    ]
    return PlantedRuns(
        audience=name,
        lift=lift,
        planned=planned,
        measured=share_by_day(days_found),
    )


def share_by_day(days_found: Sequence[int | None]) -> list[float]:
    """Return the share of experiments that were found by each day."""
    found = [day for day in days_found if day is not None]
    return [
        sum(day <= until for day in found) / len(days_found) for until in range(1, NUM_DAYS + 1)
    ]


def _information(days: Sequence[DayOfArms]) -> list[float]:
    found = [difference(control, treatment) for control, treatment in days]
    return [1 / one.variance for one in found if one is not None]


def _null_rows(name: str, found: Mapping[str, Sequence[int | None]]) -> list[BenchMetric]:
    rows = []
    for test, days in found.items():
        share = share_by_day(days)[-1]
        error = math.sqrt(share * (1 - share) / len(days))
        rows.append(
            BenchMetric(
                metric=f"{name}, no effect: significant within {NUM_DAYS} days, {test}",
                value=share,
                unit="1",
                note=f"{len(days)} experiments, ± {1.96 * error:.3f}",
            )
        )
    return rows


def _adjustment_row(name: str, audience: Audience, generator: np.random.Generator) -> BenchMetric:
    ratios = []
    for _ in range(NUM_PILOTS):
        days = simulate(audience, generator)
        adjusted, plain = (final_difference(days, adjust=one) for one in (True, False))
        ratios.append(adjusted.variance / plain.variance)
    return BenchMetric(
        metric=f"{name}: variance with the rewards before, by the variance without",
        value=float(np.mean(ratios)),
        unit="1",
        note=f"{audience.known:.0%} of the users have a past",
    )


def _planted_rows(runs: PlantedRuns) -> list[BenchMetric]:
    rows = []
    effect = f"{runs.audience}, planted +{runs.lift:.0%}"
    for share in (0.5, 0.8):
        planned, measured = first_day(runs.planned, share), first_day(runs.measured, share)
        if measured is not None:
            rows.append(
                BenchMetric(
                    metric=f"{effect}: days until {share:.0%} are found",
                    value=measured,
                    unit="days",
                    note=f"planned: {planned}",
                )
            )
    rows.append(
        BenchMetric(
            metric=f"{effect}: found within {NUM_DAYS} days",
            value=runs.measured[-1],
            unit="1",
            note=f"planned: {runs.planned[-1]:.3f}",
        )
    )
    return rows


def _sample_ratio_rows(generator: np.random.Generator, *, num_runs: int) -> list[BenchMetric]:
    """Look after every 500 users, up to 100,000; of the second arm's users some are lost."""
    rows = []
    for lost in (0.0, 0.04):
        share = (1 - lost) / (2 - lost)
        found = [_broken_after(generator, share) for _ in range(num_runs)]
        broken = [users for users in found if users is not None]
        title = f"sample ratio, {lost:.0%} of the second arm lost"
        note = f"{num_runs} experiments of up to {_RATIO_USERS:,} users, alpha {ALPHA}"
        rows.append(
            BenchMetric(
                metric=f"{title}: share found", value=len(broken) / num_runs, unit="1", note=note
            )
        )
        if lost:
            median = float(np.median(broken))
            rows.append(
                BenchMetric(metric=f"{title}: users until half are found", value=median, unit="1")
            )
    return rows


def _broken_after(generator: np.random.Generator, share: float) -> int | None:
    """Return after how many users the sample ratio is found broken; None for never."""
    seconds = generator.binomial(_RATIO_STEP, share, size=_RATIO_USERS // _RATIO_STEP).cumsum()
    for look, second in enumerate(seconds.tolist(), start=1):
        users = look * _RATIO_STEP
        if is_broken((users - second, second), (0.5, 0.5)):
            return users
    return None


def _interleaving_rows(generator: np.random.Generator, *, num_runs: int) -> list[BenchMetric]:
    rows = []
    for quality, title in ((0.0, "equal lists"), (0.3, "a better list")):
        for is_interleaved in (True, False):
            found = [
                users_until_preferred(generator, better_by=quality, is_interleaved=is_interleaved)
                for _ in range(num_runs)
            ]
            ended = [users for users in found if users is not None]
            method = "interleaved" if is_interleaved else "A/B"
            note = f"{num_runs} experiments of up to {MAX_USERS:,} users"
            if quality:
                note += f"; median users until found: {np.median(ended):,.0f}" if ended else ""
            rows.append(
                BenchMetric(
                    metric=f"{title}, {method}: share found",
                    value=len(ended) / num_runs,
                    unit="1",
                    note=note,
                )
            )
    return rows


def _draw(null: Mapping[str, Sequence[int | None]], planted: Sequence[PlantedRuns]) -> None:
    from matplotlib.figure import Figure

    picture = Figure(figsize=(13, 5), layout="constrained")
    left, right = picture.subplots(1, 2)
    days = range(1, NUM_DAYS + 1)
    for test, found in null.items():
        left.plot(days, share_by_day(found), label=test)
    left.axhline(0.05, color="grey", linestyle="--", linewidth=1)
    left.set(title="No effect: experiments that ended significant by a day", ylim=(0, None))
    for color, runs in enumerate(planted):
        label = f"{runs.audience}, +{runs.lift:.0%}"
        right.plot(days, runs.measured, color=f"C{color}", label=label)
        right.plot(days, runs.planned, color=f"C{color}", linestyle=":")
    right.set(title="Planted effects found by a day (dotted: planned)", ylim=(0, 1))
    for axes in (left, right):
        axes.set(xlabel="day", ylabel="share of experiments")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    picture.savefig(results_folder() / f"{BENCH}.png", dpi=110, metadata={"Software": None})
