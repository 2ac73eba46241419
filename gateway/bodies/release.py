"""The answer of `GET /v1/release`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.bodies.reasons import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAnswer:
    """The live release. All fields are null before the first one."""

    model_version: Annotated[int | None, Field(description="The live release.", examples=[3])]
    trained_at: Annotated[Moment | None, Field(description="When its weights were trained.")]
    age_s: Annotated[
        float | None,
        Field(description="Seconds since then, by the gateway's clock.", examples=[74]),
    ]
