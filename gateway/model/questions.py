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


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemNameBody:
    """An item by its id, or a text."""

    id: Annotated[str | None, Field(exclude_if=is_none)] = None
    text: Annotated[str | None, Field(exclude_if=is_none)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarItemsQuestion:
    """`k` items similar to one. What an older release does not know is left out by default."""

    similar_to: ItemNameBody
    k: int
    by: Annotated[str | None, Field(exclude_if=is_none)] = None
    filter: Annotated[dict[str, FilterValue] | None, Field(exclude_if=is_none)] = None
