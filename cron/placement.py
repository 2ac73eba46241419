"""A placement: the named place of a list, such as the home page, and the rules of its lists.

The settings file and the gateway's API have placements in the same form; `parse_placement` reads
both, and every mistake names its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Literal, get_args

from cron.placement_policy import PlacementPolicy, parse_policy, policy_json
from recommender.records.record_fields import MAX_TYPE_CHARS, InvalidRecord
from recommender.records.record_times import parse_time
from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    field_name,
    read_filter,
    read_id,
    read_list,
    read_text,
)
from recommender.requests.list_rules import MAX_PINS, Boost
from recommender.requests.rule_fields import (
    read_add,
    read_at_most,
    read_boosts,
    read_diversity,
    read_min_rating,
    read_object,
    read_whole,
)
from recommender.requests.wire import MAX_K, BadRequest, FilterValue

MAX_NAME_CHARS = 64
MAX_PLACEMENTS = 200  # each gateway process keeps all of them
MAX_EXCLUDED_TYPES = 20
FOREVER = "forever"
# of texts about items, where a question asks for them: none, templates alone, also writers'
CopyPolicy = Literal["none", "template", "writer"]
IMPRESSION = "impression"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_AGE = re.compile(r"([1-9][0-9]{0,4})([smhdw])")
_UNIT_S = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_ANY_TIME = datetime(9_000, 1, 1, tzinfo=UTC)
_FIELDS = {
    "k",
    "filter",
    "exclude",
    "boosts",
    "freshness",
    "min_rating",
    "diversity",
    "at_most",
    "policy",
    "pins",
    "copy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An item that has a place in the list, from 1, from a time on and until a time."""

    item_id: str
    position: int
    begins_at: datetime | None = None
    ends_at: datetime | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Return whether the pin applies at a time; its end is exclusive."""
        has_begun = self.begins_at is None or self.begins_at <= at
        return has_begun and (self.ends_at is None or at < self.ends_at)

    def overlaps(self, other: Pin) -> bool:
        """Return whether there is a time at which both pins apply."""
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        begins = max(self.begins_at or first, other.begins_at or first)
        return begins < min(self.ends_at or last, other.ends_at or last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """New items get `add` spreads, halved with each half-life.

    An item's age is that of the attribute's date, or without one that of its first record.
    """

    add: float
    half_life_s: int
    attribute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The rules of a place's lists. `exclude` has ages in seconds; None is forever."""

    k: int | None = None
    filter: Mapping[str, FilterValue] = field(default_factory=dict)
    exclude: Mapping[str, int | None] = field(default_factory=dict)
    boosts: tuple[Boost, ...] = ()
    freshness: Freshness | None = None
    min_rating: float | None = None
    diversity: float = 0.0
    at_most: Mapping[str, int] = field(default_factory=dict)
    policy: PlacementPolicy | None = None
    pins: tuple[Pin, ...] = ()
    copy: CopyPolicy = "writer"

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that the rules read."""
        of_freshness = {self.freshness.attribute} if self.freshness else set()
        names = {*self.filter, *self.at_most, *(boost.attribute for boost in self.boosts)}
        return frozenset(name for name in {*names, *of_freshness} if name is not None)


def check_name(name: object, where: str) -> str:
    """Return a placement's name; raise BadRequest."""
    if isinstance(name, str) and len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name):
        return name
    expected = f"1 to {MAX_NAME_CHARS} of the characters A-Z a-z 0-9 _ -, no sign first"
    raise BadRequest(where, found=describe(name), expected=expected)


def parse_placement(raw: object, where: str = "") -> Placement:
    """Parse one placement; raise BadRequest. `where` is put before the names of fields."""
    if not isinstance(raw, dict):
        raise BadRequest(
            where.rstrip(".") or "body", found=describe(raw), expected="an object of rules"
        )
    expect_known_fields(raw, _FIELDS, where=where.rstrip(".") or None)
    given = {name: value for name, value in raw.items() if value is not None}
    freshness, policy = given.get("freshness"), given.get("policy")
    return Placement(
        k=read_whole(given["k"], f"{where}k", 1, MAX_K) if "k" in given else None,
        filter=read_filter(given.get("filter", {}), f"{where}filter"),
        exclude=_exclusions(given.get("exclude", {}), f"{where}exclude"),
        boosts=read_boosts(given.get("boosts", []), f"{where}boosts"),
        freshness=None if freshness is None else _freshness(freshness, f"{where}freshness"),
        min_rating=read_min_rating(given.get("min_rating"), f"{where}min_rating"),
        diversity=read_diversity(given.get("diversity", 0), f"{where}diversity"),
        at_most=read_at_most(given.get("at_most", {}), f"{where}at_most"),
        policy=None if policy is None else parse_policy(policy, f"{where}policy"),
        pins=_pins(given.get("pins", []), f"{where}pins"),
        copy=_copy_policy(given.get("copy", "writer"), f"{where}copy"),
    )


def placement_json(placement: Placement) -> dict[str, object]:
    """Return a placement in the form that `parse_placement` reads, without its defaults."""
    values: dict[str, object] = {
        "k": placement.k,
        "filter": {name: _plain(value) for name, value in placement.filter.items()},
        "exclude": {type_: _age_text(age) for type_, age in placement.exclude.items()},
        "boosts": [
            {"attribute": one.attribute, "value": _plain(one.value), "add": one.add}
            for one in placement.boosts
        ],
        "freshness": placement.freshness
        and _without_none(
            add=placement.freshness.add,
            half_life=_age_text(placement.freshness.half_life_s),
            attribute=placement.freshness.attribute,
        ),
        "min_rating": placement.min_rating,
        "diversity": placement.diversity or None,
        "at_most": dict(placement.at_most),
        "policy": placement.policy and policy_json(placement.policy),
        "pins": [
            {
                "item_id": pin.item_id,
                "position": pin.position,
                **_without_none(**{"from": _time_text(pin.begins_at)}),
                **_without_none(until=_time_text(pin.ends_at)),
            }
            for pin in placement.pins
        ],
        "copy": None if placement.copy == "writer" else placement.copy,
    }
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def _copy_policy(raw: object, where: str) -> CopyPolicy:
    for policy in get_args(CopyPolicy):
        if raw == policy:
            return policy  # type: ignore[no-any-return]
    raise BadRequest(where, found=describe(raw), expected="none, template or writer")


def _exclusions(raw: object, where: str) -> dict[str, int | None]:
    if not isinstance(raw, dict) or len(raw) > MAX_EXCLUDED_TYPES:
        expected = f"an object of at most {MAX_EXCLUDED_TYPES} event types with an age for each"
        raise BadRequest(where, found=describe(raw), expected=expected)
    ages: dict[str, int | None] = {}
    for type_, age in raw.items():
        place = f"{where}.{field_name(type_)}"
        if not isinstance(type_, str) or not type_.strip() or len(type_) > MAX_TYPE_CHARS:
            raise BadRequest(place, found=describe(type_), expected="an event type")
        if type_ == IMPRESSION:
            expected = "another event type: histories keep no impressions, so it could never apply"
            raise BadRequest(place, found=describe(type_), expected=expected)
        ages[type_] = None if age == FOREVER else read_age(age, place)
    return ages


def read_age(raw: object, where: str) -> int:
    """Parse an age such as 30d or 12h into seconds; raise BadRequest."""
    found = _AGE.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        expected = "a number of s, m, h, d or w, such as 30d or 12h"
        raise BadRequest(where, found=describe(raw), expected=expected)
    return int(found[1]) * _UNIT_S[found[2]]


def _age_text(age_s: int | None) -> str:
    if age_s is None:
        return FOREVER
    unit = next(unit for unit in ("d", "h", "m", "s") if age_s % _UNIT_S[unit] == 0)
    number = age_s // _UNIT_S[unit]
    return f"{number}{unit}" if number < 100_000 else f"{age_s // _UNIT_S['w']}w"


def _freshness(raw: object, where: str) -> Freshness:
    values = read_object(raw, where, {"add", "half_life", "attribute"})
    for name in ("add", "half_life"):
        if name not in values:
            raise BadRequest(f"{where}.{name}", found="nothing", expected="a value")
    attribute = values.get("attribute")
    return Freshness(
        add=read_add(values["add"], f"{where}.add"),
        half_life_s=read_age(values["half_life"], f"{where}.half_life"),
        attribute=None if attribute is None else read_text(attribute, f"{where}.attribute"),
    )


def _pins(raw: object, where: str) -> tuple[Pin, ...]:
    pins = [
        _pin(one, f"{where}[{index}]")
        for index, one in enumerate(read_list(raw, where, limit=MAX_PINS))
    ]
    for (_, pin), (index, other) in combinations(enumerate(pins), 2):
        if not pin.overlaps(other):
            continue
        if pin.item_id == other.item_id:
            found, expected = f"{other.item_id!a} a second time", "one pin of an item at a time"
            raise BadRequest(f"{where}[{index}].item_id", found=found, expected=expected)
        if pin.position == other.position:
            found, expected = f"{other.position} a second time", "one pin of a position at a time"
            raise BadRequest(f"{where}[{index}].position", found=found, expected=expected)
    return tuple(pins)


def _pin(raw: object, where: str) -> Pin:
    values = read_object(raw, where, {"item_id", "position", "from", "until"})
    for name in ("item_id", "position"):
        if name not in values:
            raise BadRequest(f"{where}.{name}", found="nothing", expected="a value")
    pin = Pin(
        item_id=read_id(values["item_id"], f"{where}.item_id"),
        position=read_whole(values["position"], f"{where}.position", 1, MAX_K),
        begins_at=_time(values.get("from"), f"{where}.from"),
        ends_at=_time(values.get("until"), f"{where}.until"),
    )
    if pin.begins_at is not None and pin.ends_at is not None and pin.begins_at >= pin.ends_at:
        found = describe(values["until"])
        raise BadRequest(f"{where}.until", found=found, expected="a time after `from`")
    return pin


def _time(raw: object, where: str) -> datetime | None:
    """Parse a time; a settings file may have dates that are not texts."""
    if raw is None:
        return None
    try:
        return parse_time(raw.isoformat() if isinstance(raw, date) else raw, now=_ANY_TIME)
    except (InvalidRecord, OverflowError) as error:
        raise BadRequest(
            where, found=describe(raw), expected="ISO 8601 or epoch seconds, from 1990 on"
        ) from error


def _time_text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _plain(value: FilterValue) -> str | float | Sequence[str]:
    return list(value) if isinstance(value, tuple) else value


def _without_none(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
