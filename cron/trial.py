"""A trial: a candidate that the gate accepted answers users before it is live.

As a canary it makes the lists of a share of the users. As a shadow it answers in the background a
share of the questions that the live release answers, and nobody sees its lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cron.experiment import Experiment, ExperimentArm, ExperimentDraft
from cron.experiments.assignment import chosen_arm

TrialVerdict = Literal["promoted", "taken_back", "dropped"]
NEEDED_BY = "trial"  # of its side version
CONTROL, CANDIDATE = "control", "candidate"  # the arms of a canary
_NAME = "canary-"  # then the candidate's version


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnd:
    """How a trial ended, when and why; `dropped` without a conclusion."""

    at: datetime
    verdict: TrialVerdict
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEnd:
    """How a person wants a running trial to end; the worker ends it in its next turn."""

    verdict: TrialVerdict
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTrial:
    """The trial of a candidate against the release that was live at its start.

    `after_seq` is the journal's last number at the start.
    """

    version: int
    run_id: int
    live: int
    canary_share: float
    shadow_share: float
    after_seq: int
    started_at: datetime
    end: TrialEnd | None = None
    asked: AskedEnd | None = None

    @property
    def name(self) -> str:
        """The name of its two arms' experiment, which also decides who is in which arm."""
        return trial_name(self.version)

    @property
    def experiment(self) -> Experiment:
        """The canary as an experiment on all lists, which measures it."""
        arms = (
            ExperimentArm(name=CONTROL, share=1 - self.canary_share),
            ExperimentArm(name=CANDIDATE, share=self.canary_share),
        )
        return Experiment(
            name=self.name,
            draft=ExperimentDraft(arms=arms),
            begin=0.0,
            started_at=self.started_at,
            started_by=NEEDED_BY,
            after_seq=self.after_seq,
        )

    def arm_of(self, unit: str) -> str:
        """Return the name of a user's arm in the canary."""
        row = chosen_arm(self.name, unit, (1 - self.canary_share, self.canary_share))
        return (CONTROL, CANDIDATE)[row]


def trial_name(version: int) -> str:
    """Return the name of the two arms' experiment of a candidate's trial."""
    return f"{_NAME}{version}"


def is_trial_name(name: str) -> bool:
    """Return whether a trial's experiment may have this name."""
    number = name.removeprefix(_NAME)
    return number != name and number.isdecimal()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCounts:
    """Sums over the questions that a shadow was asked.

    `num_compared` have two lists. `overlap` and `rank_overlap` are the sums of their agreements,
    `live_seconds` and `seconds` those of the time that both took. For `num_errors` the shadow gave
    no list, and `num_dropped` were not asked, because others waited already.
    """

    num_compared: int = 0
    num_errors: int = 0
    num_dropped: int = 0
    overlap: float = 0.0
    rank_overlap: float = 0.0
    live_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def mean_overlap(self) -> float | None:
        """The share of items that both lists have."""
        return self.overlap / self.num_compared if self.num_compared else None

    @property
    def mean_rank_overlap(self) -> float | None:
        """The rank-biased overlap of the lists."""
        return self.rank_overlap / self.num_compared if self.num_compared else None

    @property
    def latency_ratio(self) -> float | None:
        """The candidate's time by the live release's."""
        return self.seconds / self.live_seconds if self.live_seconds > 0 else None
