"""What the cells of a type column mean: `pv` is a view, an `is_click` of 0 is an impression.

The user says which column has the types, so that none is used by accident. There is a warning about
a column that looks like types and is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate

from sources.cells.values import id_of

NUM_TYPES = 1_000  # a column with more distinct values is not a type column
CLICKED = {"1": "click", "0": "impression"}
_WORDS = {
    "view": "views viewed pv page_view page_views product_view view_item item_view detail_view",
    "click": "clicks clicked clk item_click select_item",
    "purchase": "purchases purchased buy buys bought order orders ordered transaction transactions",
    "impression": "impressions imp impr show shown exposure exposed display displayed "
    "view_item_list",
    "rating": "ratings rate rated",
    "add_to_cart": "cart carts add_cart add_to_basket basket",
    "like": "likes liked up_vote thumbs_up",
    "save": "saves saved fav favorite favourite wish_list bookmark",
    "play": "plays played listen listened watch watched",
    "dislike": "dislikes disliked thumbs_down",
}
_JOINER = re.compile(r"[\s_.-]+")


def _plain(text: str) -> str:
    """Return a name in lower case without blanks and joining characters."""
    return _JOINER.sub("", text.casefold())


def _joints(text: str) -> frozenset[int]:
    """Return where a name has joining characters, as places in its plain form."""
    parts = [part for part in _JOINER.split(text.casefold()) if part]
    return frozenset(accumulate(len(part) for part in parts[:-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownWord:
    """A word for a type, and where it may be parted: `add to cart`, not `ad dtocart`."""

    type: str
    joints: frozenset[int]


_KNOWN = {
    _plain(word): _KnownWord(type=name, joints=_joints(word))
    for name, words in _WORDS.items()
    for word in (name, *words.split())
}
_LEAST_LIKENESS = 0.85  # one wrong letter of seven
_FLAGS = {"true": "1", "t": "1", "yes": "1", "y": "1", "false": "0", "f": "0", "no": "0", "n": "0"}
_CLICK_COLUMNS = frozenset(["click", "clicks", "clicked", "isclick", "isclicked", "label"])
_TYPE_COLUMNS = _CLICK_COLUMNS.union(
    ["type", "event", "eventtype", "eventname", "action", "actiontype", "activity", "activitytype"],
    ["behavior", "behaviour", "behaviortype", "behaviourtype"],
    ["interaction", "interactiontype", "feedbacktype"],
    [
        "impression",
        "impressed",
        "purchase",
        "purchased",
        "ispurchase",
        "isbuy",
        "isorder",
        "islike",
        "iscart",
        "isbuyed",
    ],
)
_OTHER_TYPES = frozenset({"removefromcart", "remove", "share", "skip", "hide"})


class TypeNames:
    """Maps each cell of a type column to its event type; the user's `mapping` takes precedence."""

    def __init__(self, column: str, mapping: Mapping[str, str]) -> None:
        self._is_click = _plain(column) in _CLICK_COLUMNS
        self._mapping = {
            id_of(cell).casefold() or cell.casefold(): name for cell, name in mapping.items()
        }

    def name_of(self, cell: str) -> str | None:
        """Return a cell's event type; empty for an empty cell.

        None means a number or flag whose meaning is unknown.
        """
        text = id_of(cell)
        key = text.casefold() or cell.strip().casefold()
        if key in self._mapping:
            return self._mapping[key]
        if not text:
            return ""
        flag = _FLAGS.get(key, key)
        if self._is_click and flag in CLICKED:
            return CLICKED[flag]
        if key in _FLAGS or not re.search(r"[^\W\d_]", text):
            return None
        known = _KNOWN.get(_plain(text))
        return known.type if known and _joints(text) <= known.joints else text


def fault_of(cell: str) -> str:
    """Return the reason to reject a cell whose type is unknown."""
    text = id_of(cell)
    return (
        f"the meaning of {text} is unknown; give it with --types {text}=view"
        if text
        else "expected an event type"
    )


def similar_type(name: str) -> str | None:
    """Return the type that a name of no known type may be a misspelling of; None for others."""
    plain = _plain(name)
    near = get_close_matches(plain, _KNOWN, n=1, cutoff=_LEAST_LIKENESS)
    if name in _WORDS or not near or near[0][0] != plain[0]:  # `unfavorite` is no `favorite`
        return None
    return _KNOWN[near[0]].type


def unused_type_columns(names: Iterable[str], rows: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """Return the columns that look like event types, by their name or by their words."""
    found = []
    for name in names:
        words = {_plain(row[name]) for row in rows if row.get(name, "").strip()}
        if _plain(name) in _TYPE_COLUMNS or (words and words <= _KNOWN.keys() | _OTHER_TYPES):
            found.append(name)
    return found


def unused_warning(columns: Sequence[str], *, default: str) -> str:
    """Return the warning that a type column is not used."""
    which = " and ".join(columns)
    looks = (
        "look like types of events and are"
        if len(columns) > 1
        else "looks like the type of each event and is"
    )
    return f"{which} {looks} not used: {default}; use it with --type {columns[0]}"
