"""The bodies and answers of the calls about experiments.

`cron.experiment` parses what is asked for and names the field of each mistake. `ExperimentBody`
describes what it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.bodies.codec import is_empty, is_none
from gateway.bodies.operate import Why
from gateway.bodies.placements import PlacementBody

_STRICT = ConfigDict(extra="forbid")
KindOfExperiment = Literal["ab", "interleaving"]
ExperimentText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Share = Annotated[float, Field(ge=0.01, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmBody:
    """An arm. Without `placement` and `rules` its lists stay as they are."""

    __pydantic_config__ = _STRICT

    name: Annotated[ExperimentText, Field(description="Its name.", examples=["b"])]
    share: Annotated[
        Share | None,
        Field(description="Of the experiment's users; the sum is 1. Default: equal shares."),
    ] = None
    placement: Annotated[
        str | None, Field(description="The placement whose rules its lists follow.")
    ] = None
    rules: Annotated[
        PlacementBody | None, Field(description="Rules that replace those of the placement.")
    ] = None
    release: Annotated[
        int | None, Field(ge=1, description="The release that makes its lists. Default: the live.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentBody:
    """An experiment to start. The first arm is the control."""

    __pydantic_config__ = _STRICT

    kind: Annotated[
        KindOfExperiment,
        Field(
            description="`ab`: each user is in one arm. `interleaving`: the lists of two arms are "
            "drafted into one for each user."
        ),
    ] = "ab"
    placement: Annotated[
        str | None, Field(description="The placement whose lists take part; null for all lists.")
    ] = None
    layer: Annotated[
        ExperimentText, Field(description="Experiments of one layer share no users.")
    ] = "default"
    share: Annotated[Share, Field(description="Of all users.")] = 1.0
    ramp_days: Annotated[
        float, Field(ge=0, le=90, description="Days until the share is whole; it grows evenly.")
    ] = 0.0
    effect: Annotated[
        float,
        Field(ge=0.001, le=10, description="The relative effect worth finding.", examples=[0.05]),
    ] = 0.05
    reward: Annotated[
        dict[str, float] | None,
        Field(
            max_length=20,
            description="What an event of each type counts. Default: the setting `reward.weights`.",
            examples=[{"purchase": 5}],
        ),
    ] = None
    arms: Annotated[list[ArmBody], Field(min_length=2, max_length=6, description="The arms.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBody:
    """Stop an experiment."""

    __pydantic_config__ = _STRICT

    reason: Why = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAnswer:
    """An arm and what was measured of it; null where nothing was measured yet."""

    name: Annotated[str, Field(description="Its name.", examples=["b"])]
    share: Annotated[float, Field(description="Its planned share of the users.")]
    placement: Annotated[
        str | None, Field(description="The placement of its lists.", exclude_if=is_none)
    ] = None
    rules: Annotated[
        dict[str, object],
        Field(description="Rules that replace those of the placement.", exclude_if=is_empty),
    ]
    release: Annotated[
        int | None, Field(description="The release that makes its lists.", exclude_if=is_none)
    ] = None
    users: Annotated[int, Field(description="Users who were served a list.")]
    reward: Annotated[
        float | None,
        Field(description="The reward per user and day; of interleaved lists, per list."),
    ]
    explored: Annotated[
        float | None,
        Field(
            description="How many items it shows in as many places of lists as the arm with the "
            "fewest."
        ),
    ]
    answers: Annotated[int, Field(description="Lists that the gateways answered.")]
    errors: Annotated[int, Field(description="Lists that the model refused by the arm's rules.")]
    mean_ms: Annotated[float | None, Field(description="The mean time of an answer.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonAnswer:
    """An arm compared with the first one."""

    arm: Annotated[str, Field(description="The arm.", examples=["b"])]
    difference: Annotated[
        float,
        Field(
            description="Its reward per user and day minus the control's, adjusted; of interleaved "
            "lists, the reward per list of its items minus that of the control's."
        ),
    ]
    low: Annotated[
        float | None,
        Field(description="Lower end of the interval, which holds at all times; null for none."),
    ]
    high: Annotated[float | None, Field(description="Upper end of the interval; null for none.")]
    p_value: Annotated[float, Field(description="The always-valid p-value.")]
    finding: Annotated[
        Literal["better", "worse", "same", "harmful", "undecided"],
        Field(description="`same`: any difference is surely smaller than the effect."),
    ]
    harmed: Annotated[tuple[str, ...], Field(description="Guardrails that it harms.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentAnswer:
    """An experiment and what it says so far."""

    name: Annotated[str, Field(description="Its name.", examples=["closer-shelves"])]
    kind: Annotated[
        KindOfExperiment, Field(description="Whether users are divided, or lists interleaved.")
    ]
    placement: Annotated[
        str | None, Field(description="The placement whose lists take part; null for all.")
    ]
    layer: Annotated[str, Field(description="Its layer.", examples=["default"])]
    share: Annotated[float, Field(description="Its share of all users.")]
    ramp_days: Annotated[float, Field(description="Days until the share is whole.")]
    effect: Annotated[float, Field(description="The relative effect worth finding.")]
    started_at: Annotated[str, Field(description="When it was started.")]
    started_by: Annotated[str, Field(description="Who started it.")]
    ended_at: Annotated[str | None, Field(description="When it ended; null while it runs.")]
    ended_by: Annotated[str | None, Field(description="Who stopped it, or `its statistics`.")]
    why: Annotated[str | None, Field(description="Why it was stopped.")]
    winner: Annotated[str | None, Field(description="The best arm, if it ended by itself.")]
    measured_at: Annotated[str | None, Field(description="When it was measured last.")]
    state: Annotated[
        Literal["broken", "decided", "undecided"] | None,
        Field(description="`broken`: the arms do not have their shares of the users."),
    ]
    reason: Annotated[str | None, Field(description="The state in a sentence.")]
    sample_ratio_p: Annotated[
        float | None,
        Field(
            description="The always-valid p-value of the arms' shares; null if both arms are in "
            "every list."
        ),
    ]
    arms: Annotated[tuple[ArmAnswer, ...], Field(description="The first is the control.")]
    comparisons: Annotated[
        tuple[ComparisonAnswer, ...], Field(description="The other arms, with the first one.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentList:
    """Experiments."""

    experiments: Annotated[
        tuple[ExperimentAnswer, ...], Field(description="The running first, then the newest.")
    ]
