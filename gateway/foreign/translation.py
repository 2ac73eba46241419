"""What a translation of foreign events yields, and the values that it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recommender.records.ids import MAX_ID_CHARS
from recommender.records.record_fields import InvalidRecord, is_finite

Fields = Mapping[str, object]
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """An event in our form, not yet checked, from the entry at `index` of a call.

    `called` are the sender's names of our fields.
    """

    index: int
    event: Mapping[str, object]
    called: Mapping[str, str]

    def with_id(self, event_id: str) -> Translated:
        """Return the same with an event id."""
        return replace(self, event={**self.event, "event_id": event_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An entry that is not translated, because no rule names its event."""

    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Untranslatable:
    """An entry, or a part of one, that is refused. `sent` is that part."""

    index: int
    user_id: object
    error: InvalidRecord
    sent: object


Outcome = Translated | Ignored | Untranslatable


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The type of our events by the name of theirs, and the names of an item's id, best first."""

    types: Mapping[str, str]
    item_id: Sequence[str]


def rules_of(shipped: Mapping[str, str], own: Mapping[str, str], item_id: Sequence[str]) -> Rules:
    """Return the shipped rules with a shop's own ones; an empty type removes a rule."""
    types = {name: type_ for name, type_ in {**shipped, **own}.items() if type_}
    return Rules(types=types, item_id=item_id)


def first_given(fields: Fields, names: Sequence[str]) -> tuple[str, object] | None:
    """Return the first of these fields that is neither missing, null nor empty, with its value."""
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            return name, value
    return None


def number_of(value: object) -> object:
    """Return a number that was sent as text, such as "19.99", as a number.

    An empty text is None; any other value is returned unchanged.
    """
    if value == "":
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return value


def is_short(value: object) -> bool:
    """Return whether a JSON value is null, true, false, a finite number or the text of an id."""
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARS
    return value is None or isinstance(value, bool) or is_finite(value)


def object_at(value: object, field: str) -> Fields:
    """Return a JSON object; raise InvalidRecord for any other value."""
    if not isinstance(value, dict):
        raise InvalidRecord(field, found=value, expected="a JSON object")
    return value


def shown_name(name: object) -> str:
    """Return the name of an event as an answer shows it: short and printable."""
    text = name if isinstance(name, str) else ""
    return "".join(letter for letter in text[:64] if letter.isprintable()) or "(no name)"
