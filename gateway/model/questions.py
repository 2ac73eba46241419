"""What the gateway asks the model: the bodies of TorchServe's endpoint.

Structs of msgspec, not dataclasses, which would take .3 ms to encode where a question has a hundred
elements, a tenth of a call. What an older release may not know is left out unless asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import structs

from cron.past_event import PastEvent
from gateway.bodies.recommendations import FilterValue
from recommender.requests.list_policy import PolicyName
from recommender.requests.wire import Element

FilterJson = msgspec.Raw | None  # None for no filter
NO_HISTORY = msgspec.Raw(b"[]")


class QuestionElement(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Something that the user did. `at` is in epoch seconds."""

    id: str | None = None
    text: str | None = None
    type: str | None = None
    rating: float | None = None
    at: float | None = None


class HistoryColumnsBody(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What the user did, each field in a list of its own: the model reads it in half the time.

    Without any rating that list is left out.
    """

    id: Sequence[str]
    type: Sequence[str]
    rating: Sequence[float | None] | None = None
    at: Sequence[float | None]


class BoostQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Spreads for the items that match."""

    attribute: str
    value: str | float | Sequence[str]
    add: float


class DateBoostQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Spreads for items that are new by the date of an attribute. `at` is in epoch seconds."""

    attribute: str
    add: float
    half_life_s: float
    at: float


class RulesQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rules of a list that the model applies."""

    filter: FilterJson = None
    boosts: tuple[BoostQuestion, ...] = ()
    bonuses: Mapping[str, float] = {}
    freshness: DateBoostQuestion | None = None
    min_rating: float | None = None
    diversity: float | None = None
    at_most: Mapping[str, int] = {}
    pinned: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The rules that there are, by the placement's fields."""
        found = ["filter"] if self.filter is not None else []
        found += [f"boosts[{index}]" for index in range(len(self.boosts))]
        found += ["freshness"] if self.bonuses or self.freshness is not None else []
        found += ["min_rating"] if self.min_rating is not None else []
        found += ["diversity"] if self.diversity is not None else []
        return (*found, "at_most") if self.at_most else tuple(found)


class NewItemsQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """New items, of which each slot may be one with probability `share`.

    `doubts` are by how many spreads their scores may be wrong; None if the slot is always theirs.
    """

    share: float
    ids: Sequence[str]
    doubts: Sequence[float] | None = None


class PosteriorQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A posterior by its id; with ids and sums (in base64) when the model lacks it."""

    id: str
    ids: Sequence[str] | None = None
    sums: str | None = None


class PolicyQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The policy of a list; `seed` is drawn for it, and None if only propensities are asked."""

    name: PolicyName
    seed: int | None = None
    epsilon: float | None = None
    temperature: float | None = None
    width: float | None = None
    new_items: NewItemsQuestion | None = None
    posterior: PosteriorQuestion | None = None


class TopItemsQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`k` items for a history, newest last.

    With `propensities_of` no list is made: the policy's propensities of these items are asked, and
    which `alternatives` there are to each.
    """

    user_seq: msgspec.Raw  # a list of elements, or columns
    k: int
    exclude_seen: bool
    exclude: Sequence[str]
    filter: FilterJson = None
    candidates: Sequence[str] | None = None
    context: QuestionElement | None = None
    explain: bool = False
    rules: RulesQuestion | None = None
    policy: PolicyQuestion | None = None
    propensities_of: Sequence[str] | None = None
    alternatives: int = 0

    @property
    def has_columns(self) -> bool:
        """Whether the history is in columns."""
        return bytes(self.user_seq).startswith(b"{")

    def in_elements(self) -> TopItemsQuestion:
        """Return the question with a history of elements in place of columns."""
        columns = msgspec.json.decode(self.user_seq, type=HistoryColumnsBody)
        ratings = columns.rating or [None] * len(columns.id)
        elements = [
            QuestionElement(id=item_id, type=event_type, rating=rating, at=at)
            for item_id, event_type, rating, at in zip(
                columns.id, columns.type, ratings, columns.at, strict=True
            )
        ]
        return structs.replace(self, user_seq=msgspec.Raw(msgspec.json.encode(elements)))

    @property
    def has_posterior(self) -> bool:
        """Whether the policy chooses by a posterior."""
        return self.policy is not None and self.policy.posterior is not None

    def encode(self, *, is_whole: bool = False) -> bytes:
        """Return the body of the request, with the whole posterior or with its id alone."""
        policy = self.policy
        if is_whole or policy is None or policy.posterior is None:
            return msgspec.json.encode(self)
        named = structs.replace(policy, posterior=PosteriorQuestion(id=policy.posterior.id))
        return msgspec.json.encode(structs.replace(self, policy=named))


class ItemNameBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item by its id, a text, or a picture in base64."""

    id: str | None = None
    text: str | None = None
    picture: str | None = None


class SimilarItemsQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`k` items similar to one."""

    similar_to: ItemNameBody
    k: int
    by: str | None = None
    filter: FilterJson = None

    def encode(self) -> bytes:
        """Return the body of the request."""
        return msgspec.json.encode(self)


class SearchQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`k` items that are found by a text, for a reader with a history."""

    search: str
    user_seq: Sequence[QuestionElement]
    k: int
    filter: FilterJson = None

    def encode(self) -> bytes:
        """Return the body of the request."""
        return msgspec.json.encode(self)


def stored_elements(past: Iterable[PastEvent]) -> list[QuestionElement]:
    """Return the events of the user's stored history as elements of a question."""
    return [
        QuestionElement(id=item_id, type=event_type, rating=rating, at=at_us / 1_000_000)
        for at_us, _event_id, item_id, event_type, rating in past
    ]


def stored_columns(past: Sequence[PastEvent]) -> HistoryColumnsBody | Sequence[object]:
    """Return the events of the user's stored history as columns; none at all as an empty list."""
    if not past:
        return ()
    times, _, ids, types, ratings = zip(*past, strict=True)
    return HistoryColumnsBody(
        id=ids,
        type=types,
        rating=None if ratings.count(None) == len(ratings) else ratings,
        at=[at_us / 1_000_000 for at_us in times],
    )


def history_json(stored: bytes, session: Sequence[Element]) -> msgspec.Raw:
    """Return a history as JSON: the encoded `stored_elements`, then what the client sent."""
    sent = msgspec.json.encode([_session_element(one) for one in session])
    between = b"" if stored == b"[]" else b","
    return msgspec.Raw(stored[:-1] + between + sent[1:])


def _session_element(element: Element) -> QuestionElement | str:
    """Return an element that the client sent as an element of a question."""
    name = element.name
    if name.kind == "any":
        return name.value
    return QuestionElement(
        id=name.value if name.kind == "id" else None,
        text=name.value if name.kind == "text" else None,
        type=element.type,
        rating=element.rating,
        at=element.at_s,
    )


def encode_filter(wanted: Mapping[str, FilterValue]) -> FilterJson:
    """Return a filter as JSON; None for an empty one, which means the same."""
    return msgspec.Raw(encode_client_json(dict(wanted))) if wanted else None


def encode_client_json(value: object) -> bytes:
    """Encode what a client sent. NaN and lone surrogates are kept: the model refuses both."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")
