"""The refusal: the one form of every answer that is not a success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.bodies.codec import is_none


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalReason:
    """What was wrong, and where."""

    field: Annotated[
        str | None,
        Field(
            description="The field, parameter, header or part of the request that is at fault. "
            "`server` when the request is not at fault.",
            examples=["k"],
        ),
    ]
    reason: Annotated[
        str,
        Field(
            description="One sentence for people: what was found, and what was expected or what "
            "to do next.",
            examples=["k: found '0', expected a whole number from 1 to 1,000"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that was not carried out."""

    error: Annotated[RefusalReason, Field(description="Why the request was refused.")]
    model_version: Annotated[
        int | None,
        Field(
            description="The release that refused the request. Only when the model refused it.",
            examples=[3],
            exclude_if=is_none,
        ),
    ] = None


def refusal(field: str, reason: str) -> Refusal:
    """Return the refusal of a field for a reason."""
    return Refusal(error=RefusalReason(field=field, reason=reason))
