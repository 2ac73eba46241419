"""The reward of an arm, and the difference of two arms, with their variances.

The reward is a ratio R = sum of rewards / sum of exposures, with users as units. Its variance is
the delta method's (Deng, Knoblich, Lu 2018, "Applying the delta method in metric analytics"): that
of the residuals e = reward - R exposure, over the mean exposure squared. With an exposure of 1 for
everybody it is the variance of a mean.

The difference is adjusted by what the users did before (CUPED; Deng, Xu, Kohavi, Walker 2013):

    D = (R_b - R_a) - theta (B_b - B_a)

where B is the same ratio for the reward before, and theta the regression of the residuals of R on
those of B within the arms. What was before does not depend on the arm, so D has the same
expectation, and a variance smaller by the share that the past explains.
"""

from __future__ import annotations

from dataclasses import dataclass

from cron.experiments.user_sums import UserSums


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its variance (the standard error squared)."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Variances and covariance of one user's residuals, of the reward and of the reward before."""

    reward: float
    before: float
    both: float


def mean_reward(sums: UserSums) -> float:
    """Return the reward per unit of exposure; 0 without exposure."""
    return sums.r / sums.n if sums.n > 0 else 0.0


def reward_estimate(sums: UserSums) -> Estimate | None:
    """Return the reward of an arm and its variance; None for fewer than two users."""
    moments = _moments(sums)
    if moments is None:
        return None
    return Estimate(value=mean_reward(sums), variance=moments.reward / sums.num_users)


def difference(control: UserSums, treatment: UserSums, *, adjust: bool = True) -> Estimate | None:
    """Return the treatment's reward minus the control's; None with fewer than two users.

    `adjust` uses the rewards before the experiment. Where no user has any, nothing changes.
    """
    of_control, of_treatment = _moments(control), _moments(treatment)
    if of_control is None or of_treatment is None:
        return None
    theta = adjustment(control, treatment) if adjust else 0.0
    value = mean_reward(treatment) - mean_reward(control)
    value -= theta * (treatment.b / treatment.n - control.b / control.n)
    variance = 0.0
    for sums, moments in ((control, of_control), (treatment, of_treatment)):
        adjusted = moments.reward - 2 * theta * moments.both + theta * theta * moments.before
        variance += max(adjusted, 0.0) / sums.num_users
    return Estimate(value=value, variance=variance)


def adjustment(*arms: UserSums) -> float:
    """Return theta: how much reward goes with one unit of reward before, within the arms."""
    found = [(sums, moments) for sums in arms if (moments := _moments(sums)) is not None]
    before = sum(moments.before * sums.num_users for sums, moments in found)
    both = sum(moments.both * sums.num_users for sums, moments in found)
    return both / before if before > 0 else 0.0


def _moments(sums: UserSums) -> _Moments | None:
    if sums.num_users < 2 or sums.n <= 0:
        return None
    per_user = (sums.num_users - 1) * (sums.n / sums.num_users) ** 2
    reward, before = sums.r / sums.n, sums.b / sums.n
    # sums of products of the residuals, whose sums are zero
    of_reward = sums.rr - 2 * reward * sums.rn + reward * reward * sums.nn
    of_before = sums.bb - 2 * before * sums.nb + before * before * sums.nn
    of_both = sums.rb - reward * sums.nb - before * sums.rn + reward * before * sums.nn
    # what rounding leaves of a variance that is zero
    of_before = of_before if of_before > 1e-12 * sums.bb else 0.0
    return _Moments(
        reward=max(of_reward, 0.0) / per_user,
        before=of_before / per_user,
        both=of_both / per_user,
    )
