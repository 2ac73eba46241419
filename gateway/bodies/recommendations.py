"""The answers of recommendations (top-k), and the elements of histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from gateway.bodies.codec import is_empty, is_none
from gateway.bodies.copy import Copy, RowTitle
from gateway.bodies.items import ShownAttributes
from recommender.requests.list_policy import PolicyName

FilterValue = str | int | float | bool | None | list[object] | dict[str, object]
Interleaved = Literal["interleaved"]

ItemId = Annotated[str, Field(description="The item's id.", examples=["181"])]
Title = Annotated[
    str | None,
    Field(
        description="The item's title; null when no item record has come yet.",
        examples=["Return of the Jedi (1983)"],
    ),
]
Score = Annotated[
    float,
    Field(
        description="Orders the list and means nothing else: scores of two answers or "
        "releases cannot be compared.",
        examples=[5.861498],
    ),
]
Rating = Annotated[
    float | None,
    Field(
        description="The predicted rating on the data's scale. Missing when the data has no "
        "ratings.",
        examples=[4.316891],
        exclude_if=is_none,
    ),
]
# for the record of the list alone: it is not in answers, and not in their schema
GreedyRank = Annotated[SkipJsonSchema[int | None], Field(exclude=True)]
Propensity = Annotated[
    float | None,
    Field(
        description="The probability with which the policy chose the item for its place, given "
        "the items before it. Only when the placement has a policy that explores.",
        examples=[0.1184],
        exclude_if=is_none,
    ),
]
Team = Annotated[
    str | None,
    Field(
        description="The arm that picked the item. Only in an interleaved list.",
        examples=["b"],
        exclude_if=is_none,
    ),
]
Rank = Annotated[int, Field(description="The place in the list, from 1.", examples=[1])]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearItem:
    """An item of the history that a recommended item is like."""

    id: Annotated[str, Field(description="The item's id.", examples=["50"])]
    title: Title
    share: Annotated[
        float,
        Field(
            description="The cosine of the two items' vectors over the sum of the positive "
            "cosines of all items of the history.",
            examples=[0.2614],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedItem:
    """An item of the history."""

    id: Annotated[str, Field(description="The item's id.", examples=["50"])]
    title: Title


@dataclass(frozen=True, slots=True, kw_only=True)
class FactEntity:
    """What two items have in common."""

    id: Annotated[str, Field(description="The entity's id.", examples=["m.0184dt"])]
    name: Annotated[
        str | None,
        Field(description="How it is called; null if no fact says so.", examples=["Ann Lee"]),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactPath:
    """Facts that relate an item to an item of the history: one, or two over an entity."""

    item: Annotated[NamedItem, Field(description="The item of the history.")]
    relation: Annotated[
        str | None,
        Field(
            description="How the recommended item is related to `via`, or, without it, to `item`. "
            "Null if a fact of `item` names the recommended item.",
            examples=["director"],
        ),
    ]
    via: Annotated[
        FactEntity | None,
        Field(description="The entity between the two; null if one fact names both items."),
    ]
    item_relation: Annotated[
        str | None,
        Field(
            description="How `item` is related to `via`, or, without it, to the recommended item.",
            examples=["director"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReason:
    """Why an item was recommended."""

    nearest: Annotated[
        tuple[NearItem, ...],
        Field(description="At most three items of the history, the greatest share first."),
    ] = ()
    shared: Annotated[
        dict[str, list[str | float]],
        Field(
            description="The item's values of attributes that one of the nearest items has too.",
            examples=[{"genre": ["Sci-Fi", "War"]}],
        ),
    ]
    popular: Annotated[
        bool,
        Field(description="It is among the 1 % of items (at least 10) with most interactions."),
    ]
    new: Annotated[
        bool, Field(description="The release counted fewer than 5 interactions with it.")
    ]
    facts: Annotated[
        tuple[FactPath, ...] | None,
        Field(
            description="At most three facts that it shares with items of the history, those first "
            "that the fewest items share. Only of a release that knows facts.",
            exclude_if=is_none,
        ),
    ] = None


Reason = Annotated[
    ItemReason | None,
    Field(description="Why the item was recommended. Only with `explain`.", exclude_if=is_none),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMove:
    """A rule of the placement that changed an item's rank."""

    rule: Annotated[
        str,
        Field(
            description="`boosts[0]`, `freshness`, `min_rating`, `diversity`, `at_most`, `policy` "
            "or `pins`.",
            examples=["boosts[0]"],
        ),
    ]
    before: Annotated[int, Field(description="The rank before the rule.", examples=[7])]
    after: Annotated[int, Field(description="The rank after it.", examples=[2])]


Moved = Annotated[
    tuple[RuleMove, ...] | None,
    Field(
        description="The rules of the placement that changed the item's rank, in order. Only with "
        "`explain` and a placement with rules.",
        exclude_if=is_none,
    ),
]


@dataclass(slots=True, kw_only=True)
class RankedItem:
    """A recommended item. Not frozen, since each list makes ten: that takes a third of the time."""

    rank: Rank
    id: ItemId
    title: Title
    score: Score
    rating: Rating = None
    reason: Reason = None
    moved: Moved = None
    propensity: Propensity = None
    greedy_rank: GreedyRank = None
    team: Team = None
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedItem:
    """An item that the placement pins to its place. It has no score and no propensity."""

    rank: Rank
    id: ItemId
    title: Title
    pinned: Annotated[Literal[True], Field(description="Always true.")] = True
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackItem:
    """A popular item."""

    rank: Rank
    id: ItemId
    title: Title
    reason: Reason = None
    moved: Moved = None
    attributes: ShownAttributes = None
    copy: Copy = None


RecommendationId = Annotated[
    str,
    Field(
        description="Names this answer: a UUIDv7.",
        examples=["01a21201-e281-7a76-aed1-b5da2d1fa61f"],
    ),
]
ForUser = Annotated[
    str | None,
    Field(
        description="The user who was asked for; null for a visitor without an id.",
        examples=["ann"],
    ),
]
ForSession = Annotated[
    str | None,
    Field(
        description="The session that was asked for. Only for a visitor without an id.",
        examples=["s-81f3"],
        exclude_if=is_none,
    ),
]
Version = Annotated[int, Field(description="The release that answered.", examples=[3])]
ForPlacement = Annotated[
    str | None,
    Field(
        description="The placement whose rules the list follows. Only when one was named.",
        examples=["home"],
        exclude_if=is_none,
    ),
]
NotApplied = Annotated[
    tuple[str, ...],
    Field(
        description="Rules of the placement that could not be applied: those that need the model, "
        "and the policy, in a fallback; the minimum rating in data without ratings; those that "
        "the live release does not know, since it is older. Only when there are any.",
        examples=[["diversity"]],
        exclude_if=is_empty,
    ),
]

InExperiment = Annotated[
    str | None,
    Field(
        description="The experiment that the list is part of. Only when there is one.",
        examples=["closer-shelves"],
        exclude_if=is_none,
    ),
]
InArm = Annotated[
    str | None,
    Field(
        description="The arm of the experiment that the user is in; an interleaved list has a "
        "`team` at each item instead.",
        examples=["b"],
        exclude_if=is_none,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedAnswer:
    """Recommendations of the live model, best first."""

    recommendation_id: RecommendationId
    user_id: ForUser
    session_id: ForSession = None
    model_version: Version
    policy: Annotated[
        PolicyName | Interleaved,
        Field(
            description="How the list was chosen: `greedy`, the highest scores, or the policy of "
            "the placement; `interleaved`: by two arms of an experiment in turn."
        ),
    ] = "greedy"
    items: Annotated[
        tuple[RankedItem | PinnedItem, ...],
        Field(description="At most `k` items, best first; fewer when fewer are left."),
    ]
    row_title: RowTitle = None
    placement: ForPlacement = None
    not_applied: NotApplied = ()
    experiment: InExperiment = None
    arm: InArm = None
    unknown: Annotated[
        tuple[str, ...],
        Field(
            description="Ids of `candidates` and of `context` that the release does not know. "
            "Only when there are any.",
            exclude_if=is_empty,
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackAnswer:
    """The popular items of the live release, while the model server does not answer."""

    recommendation_id: RecommendationId
    user_id: ForUser
    session_id: ForSession = None
    model_version: Annotated[
        int | None,
        Field(description="The release whose popular items these are; null before the first."),
    ]
    policy: Annotated[
        Literal["popular"], Field(description="How the list was chosen: by popularity.")
    ] = "popular"
    items: Annotated[
        tuple[FallbackItem | PinnedItem, ...],
        Field(description="At most `k` items, most popular first, after the placement's rules."),
    ]
    row_title: RowTitle = None
    placement: ForPlacement = None
    not_applied: NotApplied = ()
    experiment: InExperiment = None
    arm: InArm = None
    fallback: Annotated[Literal[True], Field(description="Always true.")] = True
    reason: Annotated[
        str,
        Field(
            description="Why the model did not answer.",
            examples=["the model server did not answer in time"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryElementBody:
    """Something that the user did, newest last. Either `id` or `text` names the item."""

    id: Annotated[
        str | int | None, Field(description="The item's id.", examples=["50"], exclude_if=is_none)
    ] = None
    text: Annotated[
        str | None,
        Field(
            description="Free text in place of an id; it is never looked up.",
            examples=["A heist film set on a submarine"],
            exclude_if=is_none,
        ),
    ] = None
    type: Annotated[
        str | None,
        Field(
            description="What the user did. Default: `rating` with a rating, otherwise `view`.",
            examples=["rating"],
            exclude_if=is_none,
        ),
    ] = None
    rating: Annotated[
        float | None,
        Field(description="The rating, on the data's scale.", examples=[5], exclude_if=is_none),
    ] = None
    at: Annotated[
        str | float | None,
        Field(
            description="When it happened: ISO 8601 or epoch seconds, from 1990 on.",
            examples=["1998-01-05T18:00:00Z"],
            exclude_if=is_none,
        ),
    ] = None
