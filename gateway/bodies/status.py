"""The body of `GET /v1/status`: what is live, how good it is, what waits and what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from cron.api_keys import Role
from cron.lineage import Action, Kind, Outcome
from gateway.bodies.copy_status import CopyStatus
from gateway.bodies.reasons import Moment, Number, ReasonStatus
from gateway.bodies.trials import TrialStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsStatus:
    """The events that name a list of one release, collected within 7 days after the list."""

    events: Annotated[
        dict[str, int],
        Field(description="Their number by type.", examples=[{"impression": 400, "click": 20}]),
    ]
    click_through_rate: Annotated[
        Number | None,
        Field(description="Clicks by impressions; null without impressions.", examples=[0.05]),
    ]
    conversion_rate: Annotated[
        Number | None,
        Field(description="Purchases by clicks; null without clicks.", examples=[0.1]),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStatus:
    """A release: an archive that is or was live."""

    version: Annotated[int, Field(description="Its version, as TorchServe names it.")]
    live: Annotated[bool, Field(description="Whether it is live now.")]
    mode: Annotated[
        str, Field(description="How it was made: `baseline`, `full`, `update` or `items`.")
    ]
    parent: Annotated[int | None, Field(description="The release whose weights it started from.")]
    published_at: Annotated[Moment, Field(description="When it first became live.")]
    rolled_back_at: Annotated[
        Moment | None, Field(description="When it was last rolled back from.")
    ]
    trained_range: Annotated[
        tuple[int, int] | None,
        Field(description="The first and last journal number that it was trained on."),
    ]
    num_items: Annotated[int, Field(description="Items in its catalogue.")]
    archive: Annotated[str, Field(description="The name of its archive.")]
    archive_gone: Annotated[bool, Field(description="Whether its archive was deleted.")]
    ndcg: Annotated[
        Number | None,
        Field(description="Its NDCG@10 on the panel; null when that was not measured recently."),
    ]
    figures: Annotated[dict[str, Number], Field(description="Its metrics, by name.")]
    reasons: Annotated[
        tuple[ReasonStatus, ...],
        Field(description="The gate's verdict; empty when its run is not a recent one."),
    ]
    lists: Annotated[
        ListsStatus, Field(description="The events that its lists of recommendations led to.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatus(ReleaseStatus):
    """The live release."""

    age_s: Annotated[Number, Field(description="Seconds since it was published.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One turn of the cycle."""

    run_id: Annotated[int, Field(description="The run's number.")]
    mode: Annotated[str | None, Field(description="What it makes; null for a skipped turn.")]
    outcome: Annotated[Outcome | None, Field(description="How it ended; null while it runs.")]
    version: Annotated[int | None, Field(description="The version that it made, if any.")]
    started_at: Annotated[Moment, Field(description="When it started.")]
    ended_at: Annotated[Moment | None, Field(description="When it ended; null while it runs.")]
    count: Annotated[
        int,
        Field(description="How many equal skipped turns are counted in this row.", examples=[1]),
    ]
    seconds: Annotated[dict[str, Number], Field(description="The time of each step.")]
    figures: Annotated[dict[str, Number], Field(description="Its metrics, by name.")]
    reasons: Annotated[tuple[ReasonStatus, ...], Field(description="Why it ended so.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStatus:
    """How far the trainer is."""

    phase: Annotated[str, Field(description="What it does now.", examples=["train"])]
    done: Annotated[int, Field(description="Steps done in this phase.")]
    total: Annotated[int, Field(description="Steps of this phase.")]
    loss: Annotated[Number | None, Field(description="The newest loss.")]
    ranks: Annotated[int, Field(description="Processes that train together.")]
    device: Annotated[str | None, Field(description="Where they run.", examples=["cpu"])]
    starts: Annotated[int, Field(description="How often it was started; 1 without a crash.")]
    events_s: Annotated[Number | None, Field(description="Events learned a second; null before.")]
    left_s: Annotated[Number | None, Field(description="Seconds left; null before the training.")]
    silent_s: Annotated[
        Number, Field(description="Seconds since it last changed; many while it starts again.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRunStatus(RunStatus):
    """The run that is under way."""

    progress: Annotated[
        ProgressStatus | None, Field(description="How far the trainer is; null between trainings.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStatus:
    """Publishing is paused until somebody resumes it."""

    reason: Annotated[str, Field(description="Why it was paused.")]
    since: Annotated[Moment, Field(description="When it was paused.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatus:
    """What a person decided about what is live."""

    at: Annotated[Moment, Field(description="When it was decided.")]
    action: Annotated[Action, Field(description="What was decided.")]
    version: Annotated[
        int | None, Field(description="The version of a rollback or promotion, otherwise null.")
    ]
    by: Annotated[str, Field(description="Who decided.", examples=["the key 'ops'"])]
    why: Annotated[str | None, Field(description="Why, if a reason was given.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStatus:
    """Records that the live weights have not learned from."""

    in_log: Annotated[
        int | None,
        Field(description="Records in the event log; null while the log does not answer."),
    ]
    in_journal: Annotated[int, Field(description="Records in the journal.")]
    newest_event_at: Annotated[
        Moment | None, Field(description="The latest event time in the journal.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesStatus:
    """What the gate decided about recent updates."""

    judged: Annotated[int, Field(description="Updates with a verdict.")]
    accepted: Annotated[int, Field(description="Updates that were published.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityStatus:
    """The ranking quality of one model on one set of events."""

    run_id: Annotated[int, Field(description="The run that measured it.")]
    kind: Annotated[
        Kind,
        Field(description="`fresh`: scored before training. `panel`, `older`: the gate's sets."),
    ]
    model: Annotated[str, Field(description="`live`, `candidate` or `popularity`, for example.")]
    version: Annotated[int | None, Field(description="The model's version, if it had one.")]
    ndcg: Annotated[Number, Field(description="NDCG@10.")]
    rmse: Annotated[Number | None, Field(description="The error of predicted ratings.")]
    num_users: Annotated[int, Field(description="Users measured.")]
    num_events: Annotated[int, Field(description="Events measured.")]
    at: Annotated[Moment, Field(description="When it was measured.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourStatus:
    """The events that were collected in one hour."""

    at: Annotated[Moment, Field(description="When the hour began.")]
    events: Annotated[
        dict[str, int], Field(description="Their number by type.", examples=[{"view": 900}])
    ]
    of_lists: Annotated[
        dict[str, int],
        Field(description="Of these, the ones with a `recommendation_id`.", examples=[{"view": 9}]),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlatesStatus:
    """The lists that were served and recorded, as far as they are collected."""

    last_day: Annotated[
        int, Field(description="Their number in the last 24 hours.", examples=[12_000])
    ]
    fallbacks: Annotated[
        int, Field(description="Of these, the popular items in place of the model's.", examples=[3])
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorStatus:
    """What the policies that learn from rewards know."""

    version: Annotated[int, Field(description="It grows with each change.", examples=[17])]
    at: Annotated[Moment, Field(description="When it changed last.")]
    lists: Annotated[int, Field(description="Lists that it has read.", examples=[12_000])]
    rewards: Annotated[int, Field(description="Rewards of their items.", examples=[800])]
    items: Annotated[int, Field(description="Items that it has evidence of.", examples=[350])]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorationStatus:
    """What exploring cost in the lists of a placement by a policy, in the last week."""

    placement: Annotated[str | None, Field(description="Null for lists without one.")]
    policy: Annotated[str, Field(description="The policy.", examples=["epsilon"])]
    measured_at: Annotated[Moment, Field(description="When it was measured.")]
    num_slates: Annotated[int, Field(description="Lists of users by a policy that explores.")]
    num_items: Annotated[int, Field(description="The items of these lists.")]
    moved_share: Annotated[
        Number | None,
        Field(
            description="The share of items that greedy lists would not have; null if that is "
            "unknown.",
            examples=[0.05],
        ),
    ]
    earned: Annotated[Number, Field(description="The reward of such a list.")]
    given_up: Annotated[
        Number | None,
        Field(description="The reward of a greedy list minus that; null if it is unknown."),
    ]
    low: Annotated[Number | None, Field(description="The lower end of its interval.")]
    high: Annotated[Number | None, Field(description="The upper end of its interval.")]
    why_unknown: Annotated[str | None, Field(description="Why something is unknown.")]
    assumes: Annotated[
        Literal["cascade", "place"] | None,
        Field(
            description="What the estimate assumes: rewards depend on no item below (`cascade`), "
            "or on the item and its place alone (`place`)."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderStatus:
    """What became of the lists that this process of the gateway served since its start."""

    recording: Annotated[
        bool, Field(description="Whether lists are recorded: `slates.record`.", examples=[True])
    ]
    waiting: Annotated[int, Field(description="Lists that are not stored yet.")]
    stored: Annotated[int, Field(description="Lists that are stored.", examples=[800])]
    dropped: Annotated[
        int,
        Field(description="Lists that are lost: the event log was away, or it can't hold them."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """The whole system at one moment."""

    at: Annotated[Moment, Field(description="The time of this answer.")]
    roles: Annotated[
        tuple[Role, ...],
        Field(
            description="The caller's roles: what it may do here.", examples=[["operate", "read"]]
        ),
    ]
    live: Annotated[LiveStatus | None, Field(description="The live release, if any.")]
    hold: Annotated[HoldStatus | None, Field(description="Null unless publishing is paused.")]
    decisions: Annotated[
        tuple[DecisionStatus, ...],
        Field(description="The 20 newest decisions of people, newest first."),
    ]
    waiting: Annotated[WaitingStatus, Field(description="Records not yet learned from.")]
    current_run: Annotated[CurrentRunStatus | None, Field(description="The run under way, if any.")]
    releases: Annotated[tuple[ReleaseStatus, ...], Field(description="Newest first.")]
    updates: Annotated[UpdatesStatus, Field(description="What the gate decided lately.")]
    runs: Annotated[tuple[RunStatus, ...], Field(description="Newest first.")]
    quality: Annotated[tuple[QualityStatus, ...], Field(description="Oldest first.")]
    events: Annotated[
        tuple[HourStatus, ...],
        Field(description="The hours with events among the newest 48, oldest first."),
    ]
    slates: Annotated[SlatesStatus, Field(description="The lists that were served.")]
    trials: Annotated[
        tuple[TrialStatus, ...],
        Field(description="The newest trials of candidates, newest first."),
    ]
    posterior: Annotated[
        PosteriorStatus | None,
        Field(description="Null while no policy has learned from rewards."),
    ]
    exploration: Annotated[
        tuple[ExplorationStatus, ...], Field(description="What exploring costs.")
    ]
    recorder: Annotated[RecorderStatus, Field(description="How this process records lists.")]
    copy: Annotated[CopyStatus, Field(description="Texts about items.")]
    endpoint: Annotated[
        str,
        Field(
            description="Where the first TorchServe node takes predictions.",
            examples=["http://127.0.0.1:8080/predictions/rec"],
        ),
    ]
    in_service: Annotated[
        dict[str, bool],
        Field(
            description="For each TorchServe node, whether its newest answer was usable.",
            examples=[{"127.0.0.1:8081": True}],
        ),
    ]
