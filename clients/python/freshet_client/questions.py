"""What calls take as keywords: the fields of a question, and those of a change of an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Optional, TypedDict, Union

Id = Union[str, int]
FilterValue = Union[str, float, Sequence[str]]
# all attributes must match, and of a list one value: {"genre": ["Comedy", "Drama"], "year": 1995}
Filter = Mapping[str, FilterValue]


class HistoryElement(TypedDict, total=False):
    """Something that a visitor did. Either `id` or `text` names the item."""

    id: Id
    text: str
    type: str
    rating: float
    at: Union[datetime, str, float]


class PageContext(TypedDict):
    """Where the list will be shown: the item of the page."""

    item_id: Id


class Question(TypedDict, total=False):
    """What to recommend, and to whom: `user_id`, `history` or both are required."""

    user_id: Optional[Id]
    session_id: Optional[Id]
    history: Optional[Sequence[Union[Id, HistoryElement]]]
    k: int
    filter: Optional[Filter]
    exclude: Optional[Sequence[Id]]
    exclude_seen: bool
    candidates: Optional[Sequence[Id]]
    context: Optional[PageContext]
    at: Union[datetime, str, float, None]
    explain: bool
    copy: bool
    language: Optional[str]
    attributes: Optional[Sequence[str]]
    placement: Optional[str]


class CopyElements(TypedDict):
    """The items that a text is about."""

    item_ids: Sequence[Id]


class CopyQuestion(CopyElements, total=False):
    """What to write, and for whom: a user, a history, an audience, or nobody."""

    kind: str
    user_id: Optional[Id]
    history: Optional[Sequence[Id]]
    audience: Optional[Filter]
    language: Optional[str]
    tone: Optional[str]
    max_chars: Optional[int]
    placement: Optional[str]
    timeout_s: Optional[float]


class CopyDecision(TypedDict, total=False):
    """What an editor decides: `pin`, `edit` with a text, or `ban`."""

    action: str
    text: Optional[str]


class PictureQuestion(TypedDict, total=False):
    """A picture in base64, to find items that look like it."""

    picture: str
    k: int
    filter: Optional[Filter]
    attributes: Optional[Sequence[str]]


class ItemChange(TypedDict, total=False):
    """The fields of an item to change. None removes a text, an attribute, or all pictures."""

    title: str
    text: Optional[str]
    attributes: Optional[Mapping[str, Union[str, float, Sequence[str], None]]]
    images: Optional[Sequence[str]]
    hidden: bool
