"""The trials of candidates in the body of `GET /v1/status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from cron.trial import TrialVerdict
from gateway.bodies.reasons import Moment, Number, ReasonStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialArmStatus:
    """An arm of a canary."""

    name: Annotated[str, Field(description="`control` or `candidate`.")]
    share: Annotated[Number, Field(description="Its share of the users.")]
    users: Annotated[int, Field(description="Users who were served a list in it.")]
    reward: Annotated[
        Number | None, Field(description="Reward per user and day; null without users.")
    ]
    answers: Annotated[int, Field(description="Lists that the gateways answered.")]
    errors: Annotated[
        int, Field(description="Of these, the lists that another release had to make.")
    ]
    mean_ms: Annotated[
        Number | None, Field(description="Milliseconds per list; null without lists.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowStatus:
    """Lists that a candidate made in the background, beside those of the live release."""

    compared: Annotated[int, Field(description="Pairs of lists that were compared.")]
    errors: Annotated[int, Field(description="Questions that it did not answer.")]
    dropped: Annotated[int, Field(description="Questions that were left out under load.")]
    overlap: Annotated[
        Number | None, Field(description="Mean share of the items that both lists have.")
    ]
    rank_biased_overlap: Annotated[
        Number | None, Field(description="Mean rank-biased overlap, which weighs the top more.")
    ]
    latency_ratio: Annotated[
        Number | None, Field(description="Its time divided by the live release's.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStatus:
    """What an accepted candidate goes through before it is live."""

    version: Annotated[int, Field(description="The candidate's version.")]
    run_id: Annotated[int, Field(description="The run that made it.")]
    live: Annotated[int, Field(description="The release that it is compared with.")]
    canary_share: Annotated[
        Number, Field(description="Share of users who get its lists; 0 for none.")
    ]
    shadow_share: Annotated[
        Number, Field(description="Share of lists that it makes in the background; 0 for none.")
    ]
    started_at: Annotated[Moment, Field(description="When it began.")]
    ended_at: Annotated[Moment | None, Field(description="When it ended; null while it runs.")]
    verdict: Annotated[
        TrialVerdict | None,
        Field(description="How it ended; `dropped` without a conclusion, null while it runs."),
    ]
    why: Annotated[str | None, Field(description="Why it ended so; null while it runs.")]
    gate: Annotated[tuple[ReasonStatus, ...], Field(description="The gate's verdict.")]
    measured_at: Annotated[
        Moment | None, Field(description="When the canary was measured last, if ever.")
    ]
    arms: Annotated[
        tuple[TrialArmStatus, ...],
        Field(description="The control and the candidate; none before the first measurement."),
    ]
    difference: Annotated[
        Number | None,
        Field(description="The candidate's reward minus the control's, as a share of that."),
    ]
    low: Annotated[Number | None, Field(description="The lower end of its interval.")]
    high: Annotated[Number | None, Field(description="The upper end of its interval.")]
    shadow: Annotated[ShadowStatus, Field(description="Its lists in the background.")]
