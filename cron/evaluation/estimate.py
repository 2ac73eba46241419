"""The answer of an off-policy evaluation: an estimate with its interval, or *unknown*."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInterval:
    """Bounds of a policy's value that cover the truth in a share of `confidence` of all logs."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """What a slate of the target policy earns on average.

    `interval` is None for the direct method, whose error is the reward model's and unknown.
    `effective_size` is how many of the target policy's own slates the log is worth, and
    `removed_weight` the share of the weight that clipping removed.
    """

    estimator: str
    value: float
    interval: PolicyInterval | None
    num_slates: int
    num_users: int
    effective_size: float
    greatest_weight: float
    removed_weight: float = 0.0

    def sentence(self) -> str:
        """Describe the estimate to a person."""
        origin = f"by {self.estimator}, from {self.num_slates:,} slates of {self.num_users:,} users"
        if self.interval is None:
            return (
                f"A slate would earn {self.value:.4g} {origin}. This is the reward model's own"
                " prediction: no logged reward corrects it, so it has no interval."
            )
        bounds = f"{self.interval.low:.4g} to {self.interval.high:.4g}"
        text = (
            f"A slate would earn {self.value:.4g} ({self.interval.confidence:.0%} interval"
            f" {bounds}) {origin}, which are worth {self.effective_size:,.0f} of the policy's own."
        )
        if self.removed_weight > 0:
            text += (
                f" Clipping removed {self.removed_weight:.1%} of the weight; the interval does not"
                " cover what that hides."
            )
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyUnknown:
    """The logs cannot say what the target policy earns."""

    estimator: str
    reason: str
    num_slates: int

    def sentence(self) -> str:
        """Describe why there is no estimate."""
        return f"What a slate would earn is unknown by {self.estimator}: {self.reason}."
