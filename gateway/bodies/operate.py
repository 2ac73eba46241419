"""The bodies of the calls that operate Freshet, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.bodies.codec import is_none
from gateway.bodies.status import HoldStatus

_STRICT = ConfigDict(extra="forbid")
_MAX_NUMBER = 2**63 - 1  # of a database's integers

Why = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$",  # it is shown in terminals
        description="Why, on one line; stored and shown with the decision.",
        examples=["titles of a wrong language"],
    ),
]
Version = Annotated[
    int, Field(ge=0, le=_MAX_NUMBER, description="A release's version.", examples=[3])
]
SeenLive = Annotated[
    Version | None,
    Field(
        description="The version that the caller saw live. When another one is live, nothing is "
        "done, so that a decision is about what its maker saw, and a call that is sent twice goes "
        "back once.",
        examples=[4],
    ),
]
JournalNumber = Annotated[int, Field(ge=1, le=_MAX_NUMBER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBody:
    """Go back to an earlier release."""

    __pydantic_config__ = _STRICT

    version: Annotated[
        Version | None, Field(description="Null or missing: the previous good release.")
    ] = None
    live: SeenLive = None
    reason: Why = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteBody:
    """Make a release live that was live before."""

    __pydantic_config__ = _STRICT

    version: Version
    live: SeenLive = None
    reason: Why = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBody:
    """Publish nothing until somebody resumes."""

    __pydantic_config__ = _STRICT

    reason: Why = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeBody:
    """Publish again."""

    __pydantic_config__ = _STRICT

    exclude: Annotated[
        tuple[tuple[JournalNumber, JournalNumber], ...],
        Field(
            max_length=1_000,
            description="Ranges of journal numbers, both ends inclusive, that are never trained "
            "on from now on.",
            examples=[[[31683, 32682]]],
        ),
    ] = ()
    reason: Why = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBody:
    """End the trial of a candidate."""

    __pydantic_config__ = _STRICT

    action: Annotated[
        Literal["promote", "stop"],
        Field(description="`promote` makes the candidate live, `stop` takes it back."),
    ]
    version: Annotated[
        Version | None,
        Field(
            description="The candidate that the caller saw. When another one is on trial, nothing "
            "is done.",
            examples=[5],
        ),
    ] = None
    reason: Why = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """How a trial is going to end: the worker ends it in its next turn."""

    version: Annotated[int, Field(description="The candidate.")]
    action: Annotated[Literal["promote", "stop"], Field(description="What was asked.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchAnswer:
    """A change of the live release."""

    version: Annotated[int, Field(description="The version that is live, or will be.")]
    was: Annotated[
        int | None,
        Field(
            description="The version that was live before. Only of a rollback.",
            exclude_if=is_none,
        ),
    ] = None
    pending: Annotated[
        str | None,
        Field(
            description="Why the change is recorded and not carried out yet. The worker carries "
            "it out; do not send the call again. Only with 202.",
            exclude_if=is_none,
        ),
    ] = None
    hold: Annotated[HoldStatus | None, Field(description="Null unless publishing is paused.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAnswer:
    """Publishing is paused."""

    hold: Annotated[
        HoldStatus, Field(description="The hold; an earlier one stays, with its reason.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeAnswer:
    """Publishing continues."""

    was_paused: Annotated[bool, Field(description="Whether it was paused.")]
    excluded: Annotated[
        tuple[tuple[int, int], ...],
        Field(description="All ranges of journal numbers that are never trained on."),
    ]
