"""The bodies and answers of the Personalizer calls, in the form that Azure published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from gateway.bodies.codec import is_none

MAX_ACTIONS = MAX_SLOTS = 50
MAX_ID_CHARS = 256
MAX_REWARD = 1_000.0
# a client of a newer version may send fields that this one does not know
_LENIENT = ConfigDict(extra="ignore", serialize_by_alias=True)
_Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]
_Features = Annotated[
    list[dict[str, object]] | None,
    Field(description="Objects of features. Texts are words, numbers are quantities."),
]
_Context = Annotated[
    list[dict[str, object]] | None,
    Field(
        alias="contextFeatures",
        description="Objects of features of the user, the device, the time.",
        examples=[[{"timeOfDay": "Morning"}]],
    ),
]
_EventId = Annotated[
    str | None,
    Field(
        alias="eventId",
        max_length=MAX_ID_CHARS,
        description="Names the event in later calls and seeds the draw; one is made without it.",
    ),
]
_Deferred = Annotated[
    bool | None,
    Field(
        alias="deferActivation",
        description="True: the answer may never be shown, so the event waits for its activation.",
    ),
]
_Excluded = Annotated[
    list[str] | None,
    Field(alias="excludedActions", description="Ids of actions that may not be chosen."),
]
_Value = Annotated[
    float,
    Field(ge=-MAX_REWARD, le=MAX_REWARD, description="The reward, usually between 0 and 1."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankableAction:
    """An action that may be chosen."""

    __pydantic_config__ = _LENIENT

    id: Annotated[_Id, Field(description="The action.", examples=["NewsArticle"])]
    features: _Features = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRequest:
    """Which of some actions to show. The first one is what the existing logic would show."""

    __pydantic_config__ = _LENIENT

    actions: Annotated[
        list[RankableAction],
        Field(
            min_length=1, max_length=MAX_ACTIONS, description="The actions, the usual one first."
        ),
    ]
    context_features: _Context = None
    excluded_actions: _Excluded = None
    event_id: _EventId = None
    defer_activation: _Deferred = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRequest:
    """A slot to fill."""

    __pydantic_config__ = _LENIENT

    id: Annotated[_Id, Field(description="The slot.", examples=["Main Article"])]
    baseline_action: Annotated[
        str,
        Field(
            alias="baselineAction",
            description="The action of the existing logic; no two slots have the same.",
        ),
    ]
    features: _Features = None
    excluded_actions: _Excluded = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiSlotRankRequest:
    """Which actions to show in several slots. No action is in two of them."""

    __pydantic_config__ = _LENIENT

    actions: Annotated[
        list[RankableAction],
        Field(min_length=1, max_length=MAX_ACTIONS, description="The actions of all slots."),
    ]
    slots: Annotated[
        list[SlotRequest],
        Field(min_length=1, max_length=MAX_SLOTS, description="The slots, in their order."),
    ]
    context_features: _Context = None
    event_id: _EventId = None
    defer_activation: _Deferred = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardRequest:
    """What the shown action earned."""

    __pydantic_config__ = _LENIENT

    value: _Value


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReward:
    """What the action in one slot earned."""

    __pydantic_config__ = _LENIENT

    slot_id: Annotated[_Id, Field(alias="slotId", description="The slot.")]
    value: _Value


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiSlotRewardRequest:
    """What the actions in slots earned."""

    __pydantic_config__ = _LENIENT

    reward: Annotated[
        list[SlotReward],
        Field(min_length=1, max_length=MAX_SLOTS, description="One reward for each slot."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedAction:
    """An action and how likely it was chosen."""

    id: Annotated[str, Field(description="The action.", examples=["NewsArticle"])]
    probability: Annotated[
        float, Field(ge=0, le=1, description="With what probability it was to be chosen.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankResponse:
    """The chosen action, and the others in the order of the model."""

    __pydantic_config__ = _LENIENT

    ranking: Annotated[
        tuple[RankedAction, ...],
        Field(description="The chosen action first; excluded ones keep their places."),
    ]
    event_id: Annotated[str, Field(alias="eventId", description="Names it in later calls.")]
    reward_action_id: Annotated[
        str, Field(alias="rewardActionId", description="The action to show and to reward.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotResponse:
    """The chosen action of a slot."""

    __pydantic_config__ = _LENIENT

    id: Annotated[str, Field(description="The slot.", examples=["Main Article"])]
    reward_action_id: Annotated[
        str, Field(alias="rewardActionId", description="The action to show and to reward.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiSlotRankResponse:
    """The chosen actions of all slots."""

    __pydantic_config__ = _LENIENT

    slots: Annotated[tuple[SlotResponse, ...], Field(description="In the order of the request.")]
    event_id: Annotated[str, Field(alias="eventId", description="Names it in later calls.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalizerError:
    """Why a call was refused."""

    code: Annotated[str, Field(description="The kind of error.", examples=["BadRequest"])]
    message: Annotated[str, Field(description="One sentence for people.")]
    target: Annotated[
        str | None, Field(description="The field or header at fault.", exclude_if=is_none)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """A call that was not carried out."""

    error: Annotated[PersonalizerError, Field(description="Why it was refused.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValueAnswer:
    """A mean reward for an event, with its 95 % interval."""

    mean: Annotated[float, Field(description="The mean reward.")]
    low: Annotated[float, Field(description="The interval's lower end.")]
    high: Annotated[float, Field(description="The interval's upper end.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalizerStatus:
    """What was learned, and what the policies are worth on the newest 10,000 events or so."""

    mode: Annotated[str, Field(description="`online` or `apprentice`.", examples=["online"])]
    learned: Annotated[int, Field(description="How many choices were learned.")]
    waiting: Annotated[int, Field(description="How many choices wait for their rewards.")]
    agreement: Annotated[
        float | None,
        Field(description="How often the model would choose the usual action; null: no events."),
    ]
    served: Annotated[PolicyValueAnswer | None, Field(description="What was shown.")]
    model: Annotated[
        PolicyValueAnswer | None,
        Field(description="The model's own choices; null: they could not all be shown."),
    ]
    baseline: Annotated[
        PolicyValueAnswer | None,
        Field(description="The usual actions; null: they could not all be shown."),
    ]
