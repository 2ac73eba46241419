"""The tree of settings: every branch with its fields, defaults and rules.

Each part of the program gets only its branch. A field's rule is part of its type; a number without
one is finite and not negative, a text is not empty. `cron.settings.file` reads and checks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from cron.placement import Placement
from cron.settings.copy_settings import CopySettings
from cron.settings.rules import (
    AT_LEAST_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Bounds,
    EachText,
    ParsedTable,
    Rule,
    Text,
    is_event_type,
    is_filled,
    is_header_value,
    is_host,
    is_network,
    parse_placements,
    parse_vector_files,
    parse_weights,
    url_for,
)
from cron.settings.worker_settings import WorkerSettings
from cron.urls import stores
from recommender.config import NEGATIVE_TYPES, POSITIVE_TYPES
from recommender.records.images import MAX_IMAGES
from trainer.config import MODALITIES, TrainConfig

PositiveFloat = Annotated[float, POSITIVE]
ShareFloat = Annotated[float, SHARE]
CountInt = Annotated[int, AT_LEAST_ONE]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where things are stored: a URL's scheme picks the back end.

    Relative paths start at the project's root.
    """

    events: Annotated[str, url_for(stores.parse_events)] = "sqlite:///var/events.db"
    histories: Annotated[str, url_for(stores.parse_histories)] = "sqlite:///var/histories.db"
    artifacts: Annotated[str, url_for(stores.parse_artifacts)] = "file:///archives"
    ledger: Annotated[str, url_for(stores.parse_ledger)] = "sqlite:///var/ledger.db"
    launcher: Annotated[str, url_for(stores.parse_launcher)] = "process:"
    server: Annotated[str, url_for(stores.parse_server)] = (
        "torchserve://127.0.0.1:8081/rec?inference=8080"
    )
    var: str = "var"  # runs, caches, logs, dead letters


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPolicySettings:
    """Whether lists of the past judge a candidate: what would its lists have earned?"""

    # report: it is in the verdict and refuses nothing; judge: it refuses, and lets a candidate that
    # learned from lists be worse at next choices
    mode: Literal["off", "report", "judge"] = "report"
    # of what the live release's lists earn; a candidate that surely loses more is refused
    max_harm: ShareFloat = 0.05
    # of live's NDCG@10 on next choices, for a candidate that learned from lists and surely earns
    # more; what paid in the planted shop of docs/log.md had a sixth
    next_choice_floor: ShareFloat = 0.1
    max_lists: CountInt = 2000  # the newest; three seconds for both models of a small shop
    days: PositiveFloat = 14.0  # older lists say less about today's visitors


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """Thresholds to start from.

    docs/log.md has the measured shares of accepted honest and damaged updates.
    """

    live_tolerance: float = 0.01  # NDCG@10, one-sided 95 % lower bound of candidate minus live
    anchor_tolerance: float = 0.02
    # NDCG@10 on older panel events; honest updates of MovieLens 100K: −.008 at the least
    older_tolerance: float = 0.015
    popularity_margin: float = 0.0
    rating_tolerance: ShareFloat = 0.01  # of the rating scale's width
    min_coverage_ratio: ShareFloat = 0.5  # of live's
    min_recall: ShareFloat = 0.98  # of the ten best items, in lists of a large catalogue
    min_users: int = 50
    min_events: int = 1000
    min_panel_share: ShareFloat = 0.05
    max_panel_share: ShareFloat = 0.20
    # the most that one user may contribute to a run's events, which count as at least 1,000
    max_user_share: ShareFloat = 0.01
    # the most that one item may have of a run's events (at least 1,000), and of the panel's
    max_item_share: ShareFloat = 0.1
    # shift in the mix of new events beyond which publishing is paused; None: only an alarm
    max_shift: ShareFloat | None = None
    resamples: CountInt = 2000
    probe_p99_ms: PositiveFloat = 250.0
    num_probes: Annotated[int, Bounds(1, 20, "1 to 20, as many as a candidate brings")] = 20
    off_policy: OffPolicySettings = field(default_factory=OffPolicySettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSettings:
    """How releases are kept."""

    # live and two to roll back to, loaded
    keep_registered: Annotated[
        int, Bounds(2, math.inf, "2 or more: the live release and one to roll back to")
    ] = 3
    keep_releases: CountInt = 20  # archives on disk or in the store
    # loaded beside these for experiments between releases and for a candidate on trial; each takes
    # the memory of one more release
    max_side_versions: CountInt = 2
    # of users, who get their lists from an accepted candidate before it is live; 0: none
    canary_share: Annotated[float, Bounds(0, 0.5, "a share between 0 and 0.5")] = 0.0
    # of lists that such a candidate makes too, in the background, to be compared; 0: none
    shadow_share: ShareFloat = 0.0
    # what a trial of either kind takes at least, so that it sees more than a moment of the day
    trial_min_s: float = 900.0
    # and at most: until then the weights learn nothing new
    trial_max_s: PositiveFloat = 21_600.0
    # relative loss of reward; what is certainly smaller is no reason against a candidate
    canary_tolerance: ShareFloat = 0.05
    keep_journal_days: float | None = None  # None: forever
    drain_timeout_s: float = 60.0
    # with the key in store.var; off by default, since archives may never leave the machine
    sign_archives: bool = False
    # large arrays are stored once beside the archives, so that loaded versions share their memory;
    # off, each archive has everything that it needs
    share_bases: bool = True
    # TorchServe's workers are forked from one process that has imported torch, which saves each
    # 260 MB and a second; off, each is a Python of its own
    share_imports: bool = True
    # by the nodes that we start; turn it on once every kept release is signed
    require_signatures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """How events of Segment and RudderStack become ours."""

    # in addition to the shipped ones, gateway.foreign.segment.SHIPPED
    types: Annotated[Mapping[str, str], EachText(is_event_type)] = field(default_factory=dict)
    item_id: tuple[str, ...] = ("product_id", "sku")  # the specification's own order


@dataclass(frozen=True, slots=True, kw_only=True)
class Ga4Settings:
    """How events of Google Analytics 4 become ours."""

    # in addition to the shipped ones, gateway.foreign.ga4.SHIPPED
    types: Annotated[Mapping[str, str], EachText(is_event_type)] = field(default_factory=dict)
    item_id: tuple[str, ...] = ("item_id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The HTTP server for clients."""

    host: str = "127.0.0.1"  # loopback until tokens are on; see docs/operations.md
    port: Annotated[int, Bounds(1, 65_535, "a port between 1 and 65535")] = 8000
    processes: Annotated[int, Bounds(1, 64, "a number between 1 and 64")] = 1
    inference_timeout_s: PositiveFloat = 2.0
    api_key: Annotated[str, Text(is_header_value)] | None = field(
        default=None, metadata={"secret": True}
    )
    # of events sent with a browser key, which anybody can use; so none that a shop counts on, such
    # as `purchase`
    browser_types: tuple[str, ...] = (
        "impression",
        "view",
        "click",
        "play",
        "search",
        "add_to_cart",
        "save",
        "like",
        "dislike",
        "rating",
        "hide",
        "not_interested",
        "skip",
    )
    # of the ids of users and events sent with a browser key; fewer random characters can be guessed
    browser_id_chars: CountInt = 16
    # of items, which browser keys may not ask for; feeds of Google Merchant have this one
    private_attributes: tuple[str, ...] = ("cost_of_goods_sold",)
    # by each process, with bursts of five seconds' worth; a page makes a few calls, and an office
    # or a mobile network may be one address
    address_calls_s: PositiveFloat | None = 50.0  # of browser keys, and of calls without a key
    key_calls_s: PositiveFloat | None = 5_000.0
    # events that browser keys send; nobody does ten things a second for a minute
    user_events_min: PositiveFloat | None = 600.0
    item_events_min: PositiveFloat | None = None  # one item may be on every page
    # whose X-Forwarded-For names the caller's address; anybody else could invent one
    trusted_proxies: Annotated[tuple[str, ...], EachText(is_network)] | None = None
    segment: SegmentSettings = field(default_factory=SegmentSettings)
    ga4: Ga4Settings = field(default_factory=Ga4Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSettings:
    """How products of feeds become items."""

    # a shop may want to show what comes back soon, so hiding it is the shop's decision
    hide_out_of_stock: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings:
    """Where the worker may fetch the pictures of items, and within which limits."""

    # nothing is fetched from other hosts: an item's record could name any server
    hosts: Annotated[tuple[str, ...], EachText(is_host)] | None = None
    # hosts that may be in a private network
    private_hosts: Annotated[tuple[str, ...], EachText(is_host)] | None = None
    folder: Annotated[str, Text(is_filled)] | None = None  # whose files may be read
    max_mb: PositiveFloat = 10.0
    max_megapixels: PositiveFloat = 50.0  # unpacked they take 150 MB for a moment
    timeout_s: PositiveFloat = 10.0  # of one picture, redirects included
    # the greatest side; vision models of today read 224 to 384 pixels
    thumbnail_px: Annotated[int, Bounds(16, 2048, "16 to 2048 pixels")] = 256
    at_once: Annotated[int, Bounds(1, 64, "1 to 64")] = 4  # fetches at the same time
    # fetched of each item, the main one first: what a page of an item shows at a glance
    per_item: Annotated[int, Bounds(1, MAX_IMAGES, f"1 to {MAX_IMAGES}")] = 5
    # a week; a server that says what changed is not asked for the bytes again
    check_again_s: PositiveFloat = 604_800.0
    first_retry_s: PositiveFloat = 60.0  # doubled with each failure
    last_retry_s: PositiveFloat = 604_800.0  # a week


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateSettings:
    """Which served lists are recorded, and for how long."""

    record: bool = True
    # an experiment of four weeks, and a week for the rewards that come late
    keep_days: PositiveFloat = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSettings:
    """What an event with a shown item is worth, when policies are compared or learn from it.

    The reward of an event is its type's weight, plus `value_weight` times its value, plus
    `dwell_weight` times the seconds that the user looked at the item.
    """

    # what people choose counts 1, what they reject -1, as training reads them
    weights: Annotated[Mapping[str, float], ParsedTable(parse_weights)] = field(
        default_factory=lambda: {
            **dict.fromkeys(POSITIVE_TYPES, 1.0),
            **dict.fromkeys(NEGATIVE_TYPES, -1.0),
        }
    )
    # 0: a shop with values says how much of them counts beside clicks
    value_weight: float = 0.0
    dwell_weight: float = 0.0
    # after the list was shown; a day, since who comes back tomorrow is shown a new list
    window_s: PositiveFloat = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorSettings:
    """How the policies `thompson` and `ucb` learn from the rewards of shown items."""

    update_s: PositiveFloat = 5.0  # a round takes some milliseconds for each 100 lists
    # what earned well last week may not this week, and training has learned it meanwhile
    half_life_s: PositiveFloat = 259_200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalizerSettings:
    """How actions are chosen and rewards are counted; the defaults are those that Azure had."""

    # apprentice: always the first action, until the model has learned to choose like that
    mode: Literal["online", "apprentice"] = "online"
    epsilon: ShareFloat = 0.2  # share of choices among all actions
    reward_wait_s: PositiveFloat = 600.0
    default_reward: Annotated[float, Bounds(-1, 1, "a number from -1 to 1")] = 0.0
    reward_aggregation: Literal["earliest", "sum"] = "earliest"


def _modality(text: str) -> str | None:
    """Return what was expected when a text is not a modality that has vectors; None otherwise."""
    return None if text in MODALITIES else f"a list of {', '.join(MODALITIES)}"


# TrainConfig belongs to the trainer, which knows nothing of settings files; so its rules are here.
_TRAIN_RULES: dict[str, Rule] = {
    "average_decay": Bounds(0, 0.99, "a share between 0 and 0.99"),
    "full_lr": POSITIVE,
    "update_lr": POSITIVE,
    "full_epochs": AT_LEAST_ONE,
    "batch_size": AT_LEAST_ONE,
    "full_softmax_items": AT_LEAST_ONE,
    "num_negatives": AT_LEAST_ONE,
    "cells_items": AT_LEAST_ONE,
    "cells_recall": Bounds(0, 1, "a share between 0 and 1"),
    "num_threads": AT_LEAST_ONE,
    "whole_array_mb": POSITIVE,
    "checkpoint_s": NOT_NEGATIVE,
    "step_limit_s": POSITIVE,
    "silence_limit_s": POSITIVE,
    "encoder.max_tokens": AT_LEAST_ONE,
    "encoder.lora_rank": AT_LEAST_ONE,
    "encoder.lora_alpha": AT_LEAST_ONE,
    "encoder_memory.texts_at_once": AT_LEAST_ONE,
    "encoder.texts_per_step": Bounds(2, math.inf, "2 or more: texts learn by how they differ"),
    "encoder.lr": POSITIVE,
    "fusion.modalities": EachText(_modality),
    "fusion.vectors": ParsedTable(parse_vector_files),
    "fusion.width": AT_LEAST_ONE,
    "fusion.dropout": Bounds(0, 0.99, "a share between 0 and 0.99"),
    "facts.width": AT_LEAST_ONE,
    "policy_gradient.weight": NOT_NEGATIVE,
    "policy_gradient.discount": Bounds(0, 1, "a share between 0 and 1"),
    "policy_gradient.session_gap_s": POSITIVE,
    "policy_gradient.cap": POSITIVE,
    "policy_gradient.list_size": AT_LEAST_ONE,
    "policy_gradient.min_effective_size": NOT_NEGATIVE,
    "model.dropout": Bounds(0, 0.99, "a share between 0 and 0.99"),
    "model.text_dim": AT_LEAST_ONE,
    "model.dim": AT_LEAST_ONE,
    "model.num_layers": AT_LEAST_ONE,
    "model.num_heads": AT_LEAST_ONE,
    "model.max_history": AT_LEAST_ONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole tree."""

    store: StoreSettings = field(default_factory=StoreSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    release: ReleaseSettings = field(default_factory=ReleaseSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    # the rules of lists, by the place that shows them; those of the gateway's API override them
    placements: Annotated[Mapping[str, Placement], ParsedTable(parse_placements)] = field(
        default_factory=dict
    )
    items: ItemSettings = field(default_factory=ItemSettings)
    pictures: PictureSettings = field(default_factory=PictureSettings)
    personalizer: PersonalizerSettings = field(default_factory=PersonalizerSettings)
    slates: SlateSettings = field(default_factory=SlateSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    posterior: PosteriorSettings = field(default_factory=PosteriorSettings)
    copy: CopySettings = field(default_factory=CopySettings)
    train: TrainConfig = field(default_factory=TrainConfig, metadata={"rules": _TRAIN_RULES})
