"""What the gateway answers, one dataclass each. Times are aware datetimes.

A newer gateway may send more fields, which are ignored. docs/gateway.md says what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Optional, TypeVar, Union

from freshet_client.errors import Refused, Unavailable

Element = TypeVar("Element")
Attribute = Union[str, float, tuple[str, ...]]


@dataclass(frozen=True)
class NearItem:
    """An item of the history that a recommended item is like, and its share of the likeness."""

    id: str
    title: Optional[str]
    share: float


@dataclass(frozen=True)
class NamedItem:
    """An item of the history."""

    id: str
    title: Optional[str]


@dataclass(frozen=True)
class FactEntity:
    """What two items have in common; `name` is None if no fact says how it is called."""

    id: str
    name: Optional[str]


@dataclass(frozen=True)
class FactPath:
    """Facts that relate an item to an item of the history: one, or two over `via`."""

    item: NamedItem
    relation: Optional[str]
    via: Optional[FactEntity]
    item_relation: Optional[str]


@dataclass(frozen=True)
class Reason:
    """Why an item was recommended."""

    nearest: tuple[NearItem, ...]
    shared: dict[str, tuple[Union[str, float], ...]]
    popular: bool
    new: bool
    facts: Optional[tuple[FactPath, ...]] = None


@dataclass(frozen=True)
class RuleMove:
    """A rule of the placement that changed an item's rank."""

    rule: str
    before: int
    after: int


@dataclass(frozen=True)
class ItemCopy:
    """A text to show; `source` is `writer`, `template` or `editor`."""

    text: str
    source: str


@dataclass(frozen=True)
class WrittenCopy:
    """A text that the facts of its items support; `digest` names what it may say."""

    text: str
    source: str
    kind: str
    language: str
    digest: str


@dataclass(frozen=True)
class RecommendedItem:
    """A recommended item. Pinned ones and popular ones of a fallback have no score.

    `propensity` is there if the placement's policy explores, and `team` is the arm that picked the
    item of an interleaved list.
    """

    rank: int
    id: str
    title: Optional[str]
    score: Optional[float] = None
    rating: Optional[float] = None
    reason: Optional[Reason] = None
    moved: tuple[RuleMove, ...] = ()
    pinned: bool = False
    propensity: Optional[float] = None
    team: Optional[str] = None
    attributes: Optional[dict[str, Attribute]] = None
    copy: Optional[ItemCopy] = None


@dataclass(frozen=True)
class Recommendations:
    """A list to show. `fallback` is true while the model does not answer; `reason` says why."""

    recommendation_id: str
    user_id: Optional[str]
    model_version: Optional[int]
    policy: str
    items: tuple[RecommendedItem, ...]
    unknown: tuple[str, ...] = ()
    fallback: bool = False
    reason: Optional[str] = None
    placement: Optional[str] = None
    not_applied: tuple[str, ...] = ()
    experiment: Optional[str] = None
    arm: Optional[str] = None
    session_id: Optional[str] = None
    row_title: Optional[ItemCopy] = None


# of one question of many: its list, or why there is none
ListOrError = Union[Recommendations, Refused, Unavailable]


@dataclass(frozen=True)
class FoundItem:
    """A found item; `match` is `exact`, `title` or `text`."""

    rank: int
    id: str
    title: Optional[str]
    score: float
    match: str
    attributes: Optional[dict[str, Attribute]] = None
    copy: Optional[ItemCopy] = None


@dataclass(frozen=True)
class FoundItems:
    """The items that a search found, the best first."""

    user_id: Optional[str]
    model_version: int
    items: tuple[FoundItem, ...]
    row_title: Optional[ItemCopy] = None


@dataclass(frozen=True)
class SimilarItem:
    """An item similar to another."""

    id: str
    title: Optional[str]
    score: float
    attributes: Optional[dict[str, Attribute]] = None
    copy: Optional[ItemCopy] = None


@dataclass(frozen=True)
class SimilarItems:
    """The items similar to one, the most similar first."""

    item_id: str
    model_version: int
    items: tuple[SimilarItem, ...]
    title: Optional[str] = None
    attributes: Optional[dict[str, Attribute]] = None
    row_title: Optional[ItemCopy] = None


@dataclass(frozen=True)
class PopularItem:
    """A popular item, with its number of events when a window was asked for."""

    id: str
    title: Optional[str]
    events: Optional[int] = None
    attributes: Optional[dict[str, Attribute]] = None
    copy: Optional[ItemCopy] = None


@dataclass(frozen=True)
class PopularItems:
    """Popular items, the most popular first."""

    items: tuple[PopularItem, ...]
    model_version: Optional[int]
    row_title: Optional[ItemCopy] = None


@dataclass(frozen=True)
class TrendingItem:
    """An item whose share of the events grew."""

    id: str
    title: Optional[str]
    score: float
    events: int
    expected: float
    attributes: Optional[dict[str, Attribute]] = None
    copy: Optional[ItemCopy] = None


@dataclass(frozen=True)
class TrendingItems:
    """Trending items, the most unusual first."""

    items: tuple[TrendingItem, ...]
    row_title: Optional[ItemCopy] = None


@dataclass(frozen=True)
class NewItem:
    """A new item."""

    id: str
    title: Optional[str]
    first_at: datetime
    attributes: Optional[dict[str, Attribute]] = None
    copy: Optional[ItemCopy] = None


@dataclass(frozen=True)
class NewItems:
    """New items, the newest first."""

    items: tuple[NewItem, ...]
    row_title: Optional[ItemCopy] = None


@dataclass(frozen=True)
class ItemFact:
    """A fact about an item; `name` is how its tail is called."""

    relation: str
    tail: str
    name: Optional[str] = None


@dataclass(frozen=True)
class LookAlikes:
    """The items whose pictures look most like one, the most similar first."""

    items: tuple[SimilarItem, ...]
    model_version: int


@dataclass(frozen=True)
class Pictures:
    """Where the thumbnails of items are, by item id, as paths on the gateway.

    `pictures` has the main ones, `more` the others.
    """

    pictures: dict[str, str]
    more: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class StoredItem:
    """An item, as its newest record describes it."""

    item_id: str
    title: str
    text: Optional[str]
    attributes: dict[str, Attribute]
    images: tuple[str, ...]
    hidden: bool
    at: datetime
    first_at: datetime
    facts: Optional[tuple[ItemFact, ...]] = None
    pictures: Optional[tuple[str, ...]] = None


@dataclass(frozen=True)
class ItemsPage:
    """A page of items."""

    items: tuple[StoredItem, ...]
    next_cursor: Optional[str]


@dataclass(frozen=True)
class DeletedItem:
    """An item that was deleted."""

    item_id: str
    deleted: bool
    at: datetime


@dataclass(frozen=True)
class WithdrawnFact:
    """A fact that was withdrawn."""

    head: str
    relation: str
    tail: str
    withdrawn: bool
    at: datetime


@dataclass(frozen=True)
class HistoryEvent:
    """Something that a user did."""

    event_id: str
    item_id: str
    title: Optional[str]
    type: str
    at: datetime
    rating: Optional[float] = None


@dataclass(frozen=True)
class HistoryPage:
    """A page of a user's history."""

    user_id: str
    events: tuple[HistoryEvent, ...]
    next_cursor: Optional[str]


@dataclass(frozen=True)
class Page(Generic[Element]):
    """The elements of one page of anything, and where the next one begins."""

    elements: tuple[Element, ...]
    next_cursor: Optional[str]


@dataclass(frozen=True)
class RejectedRecord:
    """A record that was not stored; `index` is its place among those that were sent."""

    index: int
    field: str
    reason: str


@dataclass(frozen=True)
class Stored:
    """What became of the records that were sent. Accepted ones are durable."""

    accepted: int
    duplicates: int
    rejected: tuple[RejectedRecord, ...]


@dataclass(frozen=True)
class ForgottenUser:
    """A user who is forgotten: a cold user from now on."""

    user_id: str
    forgotten: bool
    up_to: datetime
