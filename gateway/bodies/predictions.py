"""The body and the answer of `POST /predict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.bodies.recommendations import HistoryElementBody


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionBody:
    """One rating to predict. The model checks the fields and names the one at fault."""

    user_seq: Annotated[
        list[str | int | HistoryElementBody],
        Field(
            description="The user's history, newest last. A string is looked up as an id, then as "
            "an exact title, and is read as free text otherwise; a whole number is an id. An "
            "empty list is a user without a history.",
            examples=[["Toy Story (1995)", "Heat (1995)"]],
        ),
    ]
    item_desc: Annotated[
        str | int | HistoryElementBody,
        Field(
            description="The item: a string, a whole number, or an object with `id` or `text`.",
            examples=["GoldenEye (1995)"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionAnswer:
    """A predicted rating. The header `X-Model-Version` names the release."""

    score: Annotated[
        float, Field(description="The rating, on the data's own scale.", examples=[3.40523])
    ]
