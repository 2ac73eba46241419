"""How many users and days an experiment needs, with one look at its end or one every day.

One look: the information I = ((z(1 - alpha / 2) + z(power)) / effect)^2 (any text book, such as
Lehr 1992). Looks every day: the probability of having crossed the border of
`confidence_sequence` by a day, by the recursion of Armitage, McPherson, Rowe (1969) over the
density of the score S = estimate * information, whose daily steps are N(effect * step, step) where
step is the information that the day adds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from cron.experiments.confidence_sequence import critical_ratio

MAX_DAYS = 730
_GRID = 0.1  # of the score, in standard deviations of the smallest step of a day
_TAIL = 6.0  # standard deviations of a step that are computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The users who come, and how much they differ.

    `variance` is that of one user's reward. `shares` are those of the two arms among all users.
    """

    users_per_day: float
    variance: float
    shares: tuple[float, float] = (0.5, 0.5)

    @property
    def information_per_day(self) -> float:
        """The information on the difference of the two arms that one day's users bring."""
        control, treatment = self.shares
        per_user = self.variance * (1 / control + 1 / treatment)
        return self.users_per_day / per_user


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentPlan:
    """What an experiment needs; `None` days are more than two years.

    `users` and `days` are those until an effect is found with the wanted probability, with a look
    every day. `median_days` is the day by which half of such experiments have ended. `fixed_users`
    is the need of a test with a single look at its end.
    """

    users: int | None
    days: int | None
    median_days: int | None
    fixed_users: int


def plan(
    traffic: Traffic, *, effect: float, alpha: float = 0.05, power: float = 0.8
) -> ExperimentPlan:
    """Return what finding an effect (a difference of rewards, not zero) needs."""
    step = traffic.information_per_day
    information = [step * day for day in range(1, MAX_DAYS + 1)]
    found = crossing_probabilities(information, effect=effect, alpha=alpha, until=power)
    days, median_days = first_day(found, power), first_day(found, 0.5)
    fixed_days = fixed_information(effect, alpha=alpha, power=power) / step
    return ExperimentPlan(
        users=None if days is None else math.ceil(days * traffic.users_per_day),
        days=days,
        median_days=median_days,
        fixed_users=math.ceil(fixed_days * traffic.users_per_day),
    )


def fixed_information(effect: float, *, alpha: float, power: float) -> float:
    """Return the information that a test with one look needs."""
    normal = NormalDist()
    return ((normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)) / effect) ** 2


def crossing_probabilities(
    information: Sequence[float], *, effect: float, alpha: float, until: float = 1.0
) -> list[float]:
    """Return the probability that the effect was found by day 1, 2, …, with a look every day.

    `information` has the information at the end of each day and grows. The probabilities end at
    the day that reaches `until`. The scale of the confidence sequence is the effect.
    """
    import numpy as np

    # in units of 1 / effect^2, the drift of the score is its information
    relative = np.array(information) * effect * effect
    steps = np.diff(relative, prepend=0.0)
    borders = [
        math.sqrt(one) * critical_ratio(one, scale=1.0, alpha=alpha) for one in relative.tolist()
    ]
    grid = _GRID * math.sqrt(float(steps.min()))
    # the score is never farther from zero, nor are scores outside the border of use
    farthest = float(relative[-1] + _TAIL * math.sqrt(relative[-1]))
    half = math.ceil((min(max(borders), farthest) + _TAIL * math.sqrt(float(steps.max()))) / grid)
    scores = np.arange(-half, half + 1) * grid
    density = np.zeros(len(scores))
    density[half] = 1.0
    probabilities: list[float] = []
    for step, border in zip(steps.tolist(), borders, strict=True):
        if step - _TAIL * math.sqrt(step) > border + half * grid:  # wherever the score was before
            probabilities.append(1.0)
            break
        width = min(math.ceil((_TAIL * math.sqrt(step) + step) / grid), half)
        offsets = np.arange(-width, width + 1) * grid
        kernel = np.exp(-((offsets - step) ** 2) / (2 * step))
        density = np.convolve(density, kernel / kernel.sum(), mode="same")
        density[np.abs(scores) >= border] = 0.0
        probabilities.append(1.0 - float(density.sum()))
        if probabilities[-1] >= until:
            break
    return probabilities


def first_day(probabilities: Sequence[float], wanted: float) -> int | None:
    """Return the first day, from 1, that reaches a probability; None for no day."""
    days = (day for day, found in enumerate(probabilities, start=1) if found >= wanted)
    return next(days, None)
