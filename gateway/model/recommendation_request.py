"""A request for recommendations, with the rules of its placement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from copywriter.brief import Language
from gateway.bodies.recommendations import FilterValue
from gateway.model.questions import PolicyQuestion, RulesQuestion
from recommender.requests.wire import Element

LEFT_TO_PLACEMENTS = frozenset({"k", "exclude_seen"})  # fields that a placement has too


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationRequest:
    """What a client asks for.

    `session_id` is that of a visitor without a user id. `history` follows the user's stored one.
    `context` is the id of the item on the visitor's page.
    `attributes` are the names of those to show with each item. With `copy` each item has a text,
    in `language` or the shop's own.
    `placement` is a name, and `left_out` has the fields that the client leaves to it. `rules` are
    those of its rules that the model applies; `also_filter` is among them, the placement's filter
    by attributes that `filter` has too. `policy` is the placement's, with a seed for this list.
    `version` is the side version that is to answer, or None for the live one.
    """

    user_id: str | None
    session_id: str | None = None
    k: int
    exclude_seen: bool = True
    filter: Mapping[str, FilterValue]
    history: tuple[Element, ...] = ()
    exclude: tuple[str, ...] = ()
    candidates: tuple[str, ...] | None = None
    context: str | None = None
    at: datetime | None = None
    explain: bool = False
    copy: bool = False
    language: Language | None = None
    attributes: tuple[str, ...] = ()
    placement: str | None = None
    left_out: frozenset[str] = frozenset()
    rules: RulesQuestion | None = None
    also_filter: Mapping[str, FilterValue] = field(default_factory=dict)
    policy: PolicyQuestion | None = None
    version: int | None = None

    @property
    def visitor_id(self) -> str | None:
        """Who asks: the user, or else the session."""
        return self.session_id if self.user_id is None else self.user_id
