"""Read a slate in the form in which the gateway writes it.

The gateway stores one for every list, and the worker reads each of them more than once. A typed
decoder takes a third of the time of `from_json`. An entry in any other form is left to that, which
also says what is wrong with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from recommender.records.ids import are_plain_ids
from recommender.records.slates import MAX_SLATE_ITEMS, MAX_VERSION, Slate

_BEGIN = b'{"kind":"slate",'
# policies, placements and the like: shorter than any limit
_Name = Annotated[str, msgspec.Meta(pattern=r"\A[\w./-]{1,64}\Z")]
_Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Rank = Annotated[int, msgspec.Meta(ge=0, le=MAX_SLATE_ITEMS)]
_Version = Annotated[int, msgspec.Meta(ge=0, le=MAX_VERSION)]
_Items = Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_SLATE_ITEMS)]


class _StoredSlate(
    msgspec.Struct, tag_field="kind", tag="slate", forbid_unknown_fields=True, gc=False
):
    """The fields of a slate, with the limits that `slate_of` checks."""

    event_id: str
    items: _Items
    propensities: tuple[_Share | None, ...]
    policy: _Name
    fallback: bool
    at: datetime
    user_id: str | None = None
    placement: _Name | None = None
    version: _Version | None = None
    arm: _Name | None = None
    scores: tuple[float | None, ...] | None = None
    session_id: str | None = None
    teams: tuple[_Name | None, ...] | None = None
    greedy_ranks: tuple[_Rank | None, ...] | None = None


_decoder = msgspec.json.Decoder(_StoredSlate)


def plain_slate(body: bytes) -> Slate | None:
    """Return the slate of an entry that `to_json` wrote; None for any other entry."""
    if not body.startswith(_BEGIN):
        return None
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found.at.tzinfo is not UTC or not _has_plain_ids(found) or not _fits_together(found):
        return None
    return Slate(
        event_id=found.event_id,
        user_id=found.user_id,
        placement=found.placement,
        items=found.items,
        propensities=found.propensities,
        policy=found.policy,
        version=found.version,
        fallback=found.fallback,
        arm=found.arm,
        at=found.at,
        scores=found.scores,
        session_id=found.session_id,
        teams=found.teams,
        greedy_ranks=found.greedy_ranks,
    )


def _has_plain_ids(found: _StoredSlate) -> bool:
    ids = [found.event_id, *found.items]
    ids += [one for one in (found.user_id, found.session_id) if one is not None]
    return are_plain_ids(ids)


def _fits_together(found: _StoredSlate) -> bool:
    """Return whether the lists have one entry per item."""
    num_items = len(found.items)
    optional = (found.scores, found.teams, found.greedy_ranks)
    return len(found.propensities) == num_items and all(
        one is None or len(one) == num_items for one in optional
    )
