"""What the gateway asks the model: the bodies of TorchServe's endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.bodies.codec import is_false, is_none
from gateway.bodies.recommendations import FilterValue, HistoryElementBody


@dataclass(frozen=True, slots=True, kw_only=True)
class TopItemsQuestion:
    """`k` items for a history. What an older release may not know is left out unless asked for."""

    user_seq: tuple[HistoryElementBody | str, ...]
    k: int
    exclude_seen: bool = True
    exclude: tuple[str, ...] = ()
    filter: Annotated[dict[str, FilterValue] | None, Field(exclude_if=is_none)] = None
    candidates: Annotated[tuple[str, ...] | None, Field(exclude_if=is_none)] = None
    context: Annotated[HistoryElementBody | None, Field(exclude_if=is_none)] = None
    explain: Annotated[bool, Field(exclude_if=is_false)] = False
