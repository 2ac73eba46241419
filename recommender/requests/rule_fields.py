"""Fields of rules: checked against the limits and converted, or refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    field_name,
    read_filter,
    read_filter_value,
    read_id,
    read_ids,
    read_list,
    read_number,
    read_text,
)
from recommender.requests.list_rules import (
    MAX_ADD,
    MAX_BONUSES,
    MAX_BOOSTS,
    MAX_LIMITED,
    MAX_PINS,
    Boost,
    DateBoost,
    ListRules,
)
from recommender.requests.wire import MAX_K, BadRequest

_YEARS = (1, 9_999)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIELDS = {
    "filter",
    "boosts",
    "bonuses",
    "freshness",
    "min_rating",
    "diversity",
    "at_most",
    "pinned",
}


def read_rules(raw: object, where: str) -> ListRules:
    """Parse the `rules` of a question; raise BadRequest."""
    if not isinstance(raw, dict):
        raise BadRequest(where, found=describe(raw), expected="an object of rules")
    expect_known_fields(raw, _FIELDS, where=where)
    freshness = raw.get("freshness")
    return ListRules(
        filter=read_filter(raw.get("filter", {}), f"{where}.filter"),
        boosts=read_boosts(raw.get("boosts", []), f"{where}.boosts"),
        bonuses=_bonuses(raw.get("bonuses", {}), f"{where}.bonuses"),
        freshness=None if freshness is None else _date_boost(freshness, f"{where}.freshness"),
        min_rating=read_min_rating(raw.get("min_rating"), f"{where}.min_rating"),
        diversity=read_diversity(raw.get("diversity", 0.0), f"{where}.diversity"),
        at_most=read_at_most(raw.get("at_most", {}), f"{where}.at_most"),
        pinned=read_ids(raw.get("pinned", []), f"{where}.pinned", limit=MAX_PINS),
    )


def read_boosts(raw: object, where: str) -> tuple[Boost, ...]:
    """Parse a list of boosts; raise BadRequest."""
    boosts = []
    for index, one in enumerate(read_list(raw, where, limit=MAX_BOOSTS)):
        place = f"{where}[{index}]"
        values = read_object(one, place, {"attribute", "value", "add"}, needed=True)
        boosts.append(
            Boost(
                attribute=read_text(values["attribute"], f"{place}.attribute"),
                value=read_filter_value(values["value"], f"{place}.value"),
                add=read_add(values["add"], f"{place}.add"),
            )
        )
    return tuple(boosts)


def read_object(
    raw: object, where: str, known: set[str], *, needed: bool = False
) -> dict[str, object]:
    """Return an object that has no other fields, and all of them where they are needed."""
    if not isinstance(raw, dict):
        expected = f"an object with {', '.join(sorted(known))}"
        raise BadRequest(where, found=describe(raw), expected=expected)
    expect_known_fields(raw, known, where=where)
    missing = sorted(known - raw.keys()) if needed else []
    if missing:
        raise BadRequest(f"{where}.{missing[0]}", found="nothing", expected="a value")
    return raw


def read_add(raw: object, where: str) -> float:
    """Parse a number of spreads, positive or negative; raise BadRequest."""
    return read_between(raw, where, -MAX_ADD, MAX_ADD)


def read_between(raw: object, where: str, least: float, most: float) -> float:
    """Parse a number within bounds, both inclusive; raise BadRequest."""
    expected = f"a number from {least:,.15g} to {most:,.15g}"
    value = read_number(raw, where, expected=expected)
    if not least <= value <= most:
        raise BadRequest(where, found=describe(raw), expected=expected)
    return value


def read_min_rating(raw: object, where: str) -> float | None:
    """Parse a minimum rating or null; raise BadRequest."""
    return None if raw is None else read_number(raw, where, expected="a finite number or null")


def read_diversity(raw: object, where: str) -> float:
    """Parse the strength of diversity; raise BadRequest."""
    return read_between(raw, where, 0, 1)


def read_at_most(raw: object, where: str) -> dict[str, int]:
    """Parse how many items of a list may have the same value, by attribute; raise BadRequest."""
    if not isinstance(raw, dict) or len(raw) > MAX_LIMITED:
        expected = f"an object of at most {MAX_LIMITED} attributes with a number for each"
        raise BadRequest(where, found=describe(raw), expected=expected)
    limits: dict[str, int] = {}
    for name, number in raw.items():
        place = f"{where}.{field_name(name)}"
        limits[read_text(name, place)] = read_whole(number, place, 1, MAX_K)
    return limits


def read_whole(raw: object, where: str, least: int, most: int) -> int:
    """Parse a whole number within bounds, both inclusive; raise BadRequest."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
        expected = f"a whole number from {least:,} to {most:,}"
        raise BadRequest(where, found=describe(raw), expected=expected)
    return raw


def date_of(value: object) -> float | None:
    """Return when an attribute's value was, in epoch seconds; None for what is not a date.

    A whole number from 1 to 9999, or its text, is a year and means its first moment. Other texts
    are ISO 8601, at least a day; without a zone they are UTC.
    """
    try:
        number = float(value) if isinstance(value, str | float | int) else 0.0
    except ValueError:
        return _text_date(str(value))
    if not number.is_integer() or not _YEARS[0] <= number <= _YEARS[1]:
        return None
    return datetime(int(number), 1, 1, tzinfo=UTC).timestamp()


def _text_date(text: str) -> float | None:
    try:
        at = datetime.fromisoformat(text.strip()) if _DATE.match(text.strip()) else None
    except ValueError:
        return None
    if at is None:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _date_boost(raw: object, where: str) -> DateBoost:
    known = {"attribute", "add", "half_life_s", "at"}
    values = read_object(raw, where, known, needed=True)
    return DateBoost(
        attribute=read_text(values["attribute"], f"{where}.attribute"),
        add=read_add(values["add"], f"{where}.add"),
        half_life_s=read_between(values["half_life_s"], f"{where}.half_life_s", 1, 1e12),
        at_s=read_number(values["at"], f"{where}.at", expected="epoch seconds"),
    )


def _bonuses(raw: object, where: str) -> dict[str, float]:
    if not isinstance(raw, dict) or len(raw) > MAX_BONUSES:
        expected = f"an object of at most {MAX_BONUSES:,} ids with a number for each"
        raise BadRequest(where, found=describe(raw), expected=expected)
    return {
        read_id(item_id, where): read_add(add, f"{where}.{field_name(item_id)}")
        for item_id, add in raw.items()
    }
