"""Texts about items in the answer of `GET /v1/status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from copywriter.ready_text import CopySource
from gateway.bodies.reasons import Number


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCostStatus:
    """What writing cost in the last 24 hours, and what it gave."""

    seconds: Annotated[Number, Field(description="Seconds that writers worked.")]
    cost: Annotated[Number, Field(description="In the currency of the prices in the settings.")]
    prompt_tokens: Annotated[int, Field(description="Tokens that writers read.")]
    output_tokens: Annotated[int, Field(description="Tokens that writers wrote.")]
    num_written: Annotated[int, Field(description="Texts that the verifier accepted.")]
    num_templates: Annotated[
        int, Field(description="Briefs whose two texts were rejected; their templates are shown.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyBudgetStatus:
    """What this hour's writing cost, and what it may cost."""

    seconds: Annotated[Number, Field(description="Seconds that writers worked.")]
    cost: Annotated[Number, Field(description="In the currency of the prices in the settings.")]
    seconds_budget: Annotated[Number, Field(description="`copy.seconds_per_hour`.")]
    cost_budget: Annotated[
        Number | None, Field(description="`copy.cost_per_hour`; null without a limit.")
    ]
    used: Annotated[
        Number, Field(description="The used share of one of the two: of the one that is scarcer.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStatus:
    """Who writes texts about items, which texts answers had, and what the verifier rejected."""

    writer: Annotated[
        str | None, Field(description="The live writer; null while templates alone are shown.")
    ]
    shown: Annotated[
        dict[CopySource, int],
        Field(
            description="Texts in answers of the last 24 hours, by who wrote them.",
            examples=[{"writer": 900, "template": 90, "editor": 10}],
        ),
    ]
    hit_share: Annotated[
        Number | None,
        Field(description="The share of these that were ready; null if none was shown."),
    ]
    waiting: Annotated[int, Field(description="Briefs that wait for the writer.")]
    last_day: Annotated[CopyCostStatus, Field(description="The last 24 hours.")]
    this_hour: Annotated[CopyBudgetStatus, Field(description="The budget of this hour.")]
    rules: Annotated[
        dict[str, int],
        Field(
            description="How many texts broke each rule of the verifier since the beginning.",
            examples=[{"names": 41}],
        ),
    ]
