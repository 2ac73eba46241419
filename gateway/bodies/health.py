"""The answers of the liveness and the readiness check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class AliveAnswer:
    """The process answers."""

    status: Annotated[Literal["alive"], Field(description="Always `alive`.")] = "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAnswer:
    """A live model answers."""

    status: Annotated[Literal["ready"], Field(description="Always `ready`.")] = "ready"
    model_version: Annotated[int, Field(description="The release that answered.", examples=[3])]
