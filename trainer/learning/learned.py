"""What a training measured: by epoch, and as its report says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.config import TrainConfig
from trainer.data.histories import SharedHistories
from trainer.report import PolicyGradientReport


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """The mean loss, and how many choices of served lists there effectively were to learn from.

    `effective_size` is measured before the epoch; None if the policy gradient is not trained.
    """

    loss: float
    effective_size: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The mean loss of each epoch, and what the policy gradient learned from."""

    losses: tuple[float, ...] = ()
    policy_gradient: PolicyGradientReport | None = None

    @classmethod
    def of(
        cls, epochs: Sequence[EpochResult], histories: SharedHistories, config: TrainConfig
    ) -> Learned:
        """Return what epochs over some histories measured."""
        losses = tuple(one.loss for one in epochs)
        slates = histories.own.slates
        if slates is None:
            return cls(losses=losses)
        sizes = [one.effective_size for one in epochs if one.effective_size is not None]
        policy_gradient = PolicyGradientReport(
            num_slates=slates.num_logged,
            num_learned=histories.num_slates,
            min_effective_size=config.policy_gradient.min_effective_size,
            effective_sizes=tuple(sizes),
        )
        return cls(losses=losses, policy_gradient=policy_gradient)
