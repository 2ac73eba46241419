"""The answer of `Freshet.status`: what is live, how good it is, what waits and what runs.

docs/gateway.md and the gateway's /docs describe the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Optional


@dataclass(frozen=True)
class GateTest:
    """One test of the gate, or why a run ended as it did."""

    name: str
    ok: bool
    text: str
    figure: Optional[float]
    low: Optional[float]
    high: Optional[float]
    limit: Optional[float]


@dataclass(frozen=True)
class ListEvents:
    """The events that name a list of one release."""

    events: dict[str, int]
    click_through_rate: Optional[float]
    conversion_rate: Optional[float]


@dataclass(frozen=True)
class Release:
    """A release: an archive that is or was live."""

    version: int
    live: bool
    mode: str
    parent: Optional[int]
    published_at: datetime
    rolled_back_at: Optional[datetime]
    trained_range: Optional[tuple[int, int]]
    num_items: int
    archive: str
    archive_gone: bool
    ndcg: Optional[float]
    figures: dict[str, float]
    reasons: tuple[GateTest, ...]
    lists: ListEvents


@dataclass(frozen=True)
class LiveRelease(Release):
    """The live release, and the seconds since it was published."""

    age_s: float


@dataclass(frozen=True)
class Run:
    """One turn of the cycle."""

    run_id: int
    mode: Optional[str]
    outcome: Optional[str]
    version: Optional[int]
    started_at: datetime
    ended_at: Optional[datetime]
    count: int
    seconds: dict[str, float]
    figures: dict[str, float]
    reasons: tuple[GateTest, ...]


@dataclass(frozen=True)
class Progress:
    """How far the trainer is."""

    phase: str
    done: int
    total: int
    loss: Optional[float]
    ranks: int
    device: Optional[str]
    starts: int
    events_s: Optional[float]
    left_s: Optional[float]
    silent_s: float


@dataclass(frozen=True)
class CurrentRun(Run):
    """The run that is under way."""

    progress: Optional[Progress]


@dataclass(frozen=True)
class Hold:
    """Publishing is paused until somebody resumes it."""

    reason: str
    since: datetime


@dataclass(frozen=True)
class Decision:
    """What a person decided about what is live."""

    at: datetime
    action: str
    version: Optional[int]
    by: str
    why: Optional[str]


@dataclass(frozen=True)
class WaitingRecords:
    """Records that the live weights have not learned from."""

    in_log: Optional[int]
    in_journal: int
    newest_event_at: Optional[datetime]


@dataclass(frozen=True)
class Updates:
    """What the gate decided about recent updates."""

    judged: int
    accepted: int


@dataclass(frozen=True)
class Quality:
    """The ranking quality of one model on one set of events."""

    run_id: int
    kind: str
    model: str
    version: Optional[int]
    ndcg: float
    rmse: Optional[float]
    num_users: int
    num_events: int
    at: datetime


@dataclass(frozen=True)
class Hour:
    """The events that were collected in one hour, and those of them that name a list."""

    at: datetime
    events: dict[str, int]
    of_lists: dict[str, int]


@dataclass(frozen=True)
class Slates:
    """The lists that were served in the last 24 hours, and the fallbacks among them."""

    last_day: int
    fallbacks: int


@dataclass(frozen=True)
class TrialArm:
    """An arm of a canary: its users, their reward per user and day, and its answers."""

    name: str
    share: float
    users: int
    reward: Optional[float]
    answers: int
    errors: int
    mean_ms: Optional[float]


@dataclass(frozen=True)
class Shadow:
    """Lists that a candidate made in the background, beside those of the live release."""

    compared: int
    errors: int
    dropped: int
    overlap: Optional[float]
    rank_biased_overlap: Optional[float]
    latency_ratio: Optional[float]


@dataclass(frozen=True)
class Trial:
    """What an accepted candidate goes through before it is live."""

    version: int
    run_id: int
    live: int
    canary_share: float
    shadow_share: float
    started_at: datetime
    ended_at: Optional[datetime]
    verdict: Optional[str]
    why: Optional[str]
    gate: tuple[GateTest, ...]
    measured_at: Optional[datetime]
    arms: tuple[TrialArm, ...]
    difference: Optional[float]
    low: Optional[float]
    high: Optional[float]
    shadow: Shadow


@dataclass(frozen=True)
class RewardPosterior:
    """What the policies that learn from rewards have read: lists, rewards, and their items."""

    version: int
    at: datetime
    lists: int
    rewards: int
    items: int


@dataclass(frozen=True)
class Exploration:
    """What exploring cost in the lists of a placement by a policy; unknown parts are None."""

    placement: Optional[str]
    policy: str
    measured_at: datetime
    num_slates: int
    num_items: int
    moved_share: Optional[float]
    earned: float
    given_up: Optional[float]
    low: Optional[float]
    high: Optional[float]
    why_unknown: Optional[str]
    assumes: Optional[str] = None


@dataclass(frozen=True)
class Recorder:
    """What became of the lists that this process of the gateway served since its start."""

    recording: bool
    waiting: int
    stored: int
    dropped: int


@dataclass(frozen=True)
class CopyCost:
    """What writing texts about items cost in the last 24 hours, and what it gave."""

    seconds: float
    cost: float
    prompt_tokens: int
    output_tokens: int
    num_written: int
    num_templates: int


@dataclass(frozen=True)
class CopyBudget:
    """What this hour's writing cost, and what it may cost."""

    seconds: float
    cost: float
    seconds_budget: float
    cost_budget: Optional[float]
    used: float


@dataclass(frozen=True)
class Copy:
    """Texts about items: who writes, what answers had, and what the verifier rejected."""

    writer: Optional[str]
    shown: dict[str, int]
    hit_share: Optional[float]
    waiting: int
    last_day: CopyCost
    this_hour: CopyBudget
    rules: dict[str, int]


@dataclass(frozen=True)
class Status:
    """The whole system at one moment."""

    at: datetime
    roles: tuple[str, ...]
    live: Optional[LiveRelease]
    hold: Optional[Hold]
    decisions: tuple[Decision, ...]
    waiting: WaitingRecords
    current_run: Optional[CurrentRun]
    releases: tuple[Release, ...]
    updates: Updates
    runs: tuple[Run, ...]
    quality: tuple[Quality, ...]
    events: tuple[Hour, ...]
    slates: Slates
    trials: tuple[Trial, ...]
    posterior: Optional[RewardPosterior]
    exploration: tuple[Exploration, ...]
    recorder: Recorder
    copy: Copy
    endpoint: str
    in_service: dict[str, bool]
