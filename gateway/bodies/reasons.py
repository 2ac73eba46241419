"""Reasons, times and numbers, as the body of `GET /v1/status` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

_TIME = {"format": "date-time"}

Moment = Annotated[
    str, Field(json_schema_extra=_TIME, description="ISO 8601.", examples=["2026-03-01T12:00:00Z"])
]
Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonStatus:
    """One test of the gate, or why a run ended as it did."""

    name: Annotated[str, Field(description="The test's name.", examples=["ndcg"])]
    ok: Annotated[bool, Field(description="Whether the candidate passed the test.")]
    text: Annotated[str, Field(description="The result in one sentence, with its numbers.")]
    figure: Annotated[Number | None, Field(description="The number that was tested.")]
    low: Annotated[Number | None, Field(description="The lower end of its interval.")]
    high: Annotated[Number | None, Field(description="The upper end of its interval.")]
    limit: Annotated[Number | None, Field(description="The limit it was compared with.")]
