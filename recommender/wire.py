"""Request and answer of the endpoint: parse strictly into frozen requests, or say by field what was found and what was expected.

Knows JSON shapes and limits; does not know the catalogue, the model or HTTP.

What is decided here, once:
* unknown fields are refused, and so is a body that asks for two things at once;
* a whole number where an id may stand is the id of that decimal string, as in events: 17 and "17"
  are the same;
* an empty history is a cold user; an empty `items` is a mistake;
* limits are errors, never clamps: whoever asks for a million items learns the limit instead of
  getting a thousand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from recommender.events import MAX_TYPE_CHARS, InvalidRecord, parse_time
from recommender.ids import MAX_ID_CHARS

MAX_K = 1_000
DEFAULT_SIMILAR = 10
MAX_HISTORY = (
    100_000  # elements; the model reads its newest `max_history`, all of them count as seen
)
MAX_CANDIDATES = 1_000
MAX_EXCLUDED = 100_000
MAX_BODIES = 100
MAX_TEXT_CHARS = (
    20_000  # the encoder reads a few hundred tokens; a megabyte of text is a client's mistake
)
MAX_FILTERS = 20
MAX_VALUES = 2_000_000  # of one body: 100,000 elements with four fields each need 1,200,000
_BEFORE_VALUES = ",:[{"  # each value and each name of JSON follows one of these
_NO_CLOCK = datetime(
    9000, 1, 1, tzinfo=UTC
)  # an answer depends on its request alone, so `at` is not compared with now

Resolved = Literal["id", "title", "text", "unknown"]
FilterValue = str | float | tuple[str, ...]
JsonObject = dict[str, object]


class BadRequest(ValueError):
    """A body that can't be answered: which field, what was found, what was expected."""

    def __init__(self, field: str, *, found: str, expected: str) -> None:
        self.field = field
        self.reason = f"{field}: found {found}, expected {expected}"
        super().__init__(self.reason)


class Busy(Exception):
    """A request that could be answered, but not together with those it came with: it may be sent again."""

    def __init__(self, what: str) -> None:
        self.reason = f"the requests beside this one bring as many {what} as can be read at a time; send it again in a second"
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a bare string (`any`), `{"id"}` or `{"text"}` names. `any` is looked up as an id, then as an exact title, then read as text."""

    kind: Literal["any", "id", "text"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One thing of a history, as the client sent it; `type` is "rating" when there is a rating and "view" otherwise, unless given."""

    name: Name
    type: str = "view"
    rating: float | None = None
    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Predict ratings. `single` is `item_desc` (one score), otherwise `items` (scores in order)."""

    history: tuple[Element, ...]
    items: tuple[Name, ...]
    single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRequest:
    """Recommend k items."""

    history: tuple[Element, ...]
    k: int
    exclude_seen: bool = True
    exclude: tuple[str, ...] = ()
    filter: Mapping[str, FilterValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRequest:
    """Find the k items that are most like one item or text."""

    item: Name
    k: int


Request = ScoreRequest | TopRequest | SimilarRequest

FIELDS = {"user_seq", "item_desc", "items", "k", "exclude_seen", "exclude", "filter", "similar_to"}


def decode(body: object) -> object:
    """Return a body's JSON value; bytes and strings are JSON still to be read. Raise BadRequest."""
    if not isinstance(body, bytes | bytearray | str):
        return body
    if not body:
        raise BadRequest(
            "body", found="nothing", expected='JSON, sent with "Content-Type: application/json"'
        )
    try:
        text = body if isinstance(body, str) else bytes(body).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(
            "body", found=f"the byte {error.object[error.start]:#x}", expected="JSON in UTF-8"
        ) from error
    if num_values(text) > MAX_VALUES:
        raise BadRequest(
            "body", found=f"JSON of more than {MAX_VALUES:,} values", expected="less in one request"
        )
    try:
        return json.loads(text)
    except RecursionError as error:
        raise BadRequest(
            "body", found="JSON nested too deeply", expected="a JSON object or a list of them"
        ) from error
    except ValueError as error:
        raise BadRequest(
            "body", found=f"malformed JSON ({error})", expected="a JSON object or a list of them"
        ) from error


def num_values(body: object) -> int:
    """Return about how many values of JSON a body holds, before it is read; 0 for what was read already."""
    if isinstance(body, str):
        return sum(map(body.count, _BEFORE_VALUES))
    if isinstance(body, bytes | bytearray):
        return sum(map(body.count, _BEFORE_VALUES.encode()))
    return 0


def parse(body: object) -> Request:
    """Parse one JSON object into a request; raise BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("body", found=_show(body), expected="a JSON object")
    _known(body, FIELDS)  # a misspelt `kk` is named, not missed as "none of them"
    asked = [name for name in ("item_desc", "items", "k", "similar_to") if name in body]
    if "similar_to" in body:
        return _similar(body)
    if len(asked) != 1:
        found = " and ".join(asked) if asked else "none of them"
        raise BadRequest(
            "body",
            found=found,
            expected="user_seq with exactly one of item_desc, items, k; or similar_to",
        )
    if asked[0] == "k":
        return _top(body)
    return _score(body, single=asked[0] == "item_desc")


def error_body(error: BadRequest | Busy) -> JsonObject:
    """Render what the client gets for a bad body, or for one that came at a bad time."""
    return {
        "error": {
            "field": error.field if isinstance(error, BadRequest) else None,
            "reason": error.reason,
        }
    }


def _similar(body: Mapping[str, object]) -> SimilarRequest:
    _known(body, {"similar_to", "k"})
    k = _k(body["k"]) if "k" in body else DEFAULT_SIMILAR
    return SimilarRequest(item=_name(body["similar_to"], "similar_to"), k=k)


def _score(body: Mapping[str, object], *, single: bool) -> ScoreRequest:
    _known(body, {"user_seq", "item_desc" if single else "items"})
    history = _history(body)
    if single:
        return ScoreRequest(
            history=history, items=(_name(body["item_desc"], "item_desc"),), single=True
        )
    items = _list(body["items"], "items", limit=MAX_CANDIDATES)
    if not items:
        raise BadRequest("items", found=_show(items), expected="at least one item")
    return ScoreRequest(
        history=history,
        items=tuple(_name(item, f"items[{i}]") for i, item in enumerate(items)),
        single=False,
    )


def _top(body: Mapping[str, object]) -> TopRequest:
    _known(body, {"user_seq", "k", "exclude_seen", "exclude", "filter"})
    exclude_seen = body.get("exclude_seen", True)
    if not isinstance(exclude_seen, bool):
        raise BadRequest("exclude_seen", found=_show(exclude_seen), expected="true or false")
    exclude = _list(body.get("exclude", []), "exclude", limit=MAX_EXCLUDED)
    return TopRequest(
        history=_history(body),
        k=_k(body["k"]),
        exclude_seen=exclude_seen,
        exclude=tuple(_id(value, f"exclude[{i}]") for i, value in enumerate(exclude)),
        filter=_filter(body.get("filter", {})),
    )


def _history(body: Mapping[str, object]) -> tuple[Element, ...]:
    if "user_seq" not in body:
        raise BadRequest(
            "user_seq", found="nothing", expected="a list; an empty one is a user without a history"
        )
    elements = _list(body["user_seq"], "user_seq", limit=MAX_HISTORY)
    return tuple(_element(element, f"user_seq[{i}]") for i, element in enumerate(elements))


def _element(raw: object, where: str) -> Element:
    if not isinstance(raw, dict):
        return Element(name=_name(raw, where))
    _known(raw, {"id", "text", "rating", "type", "at"}, where=where)
    rating, at = raw.get("rating"), raw.get("at")
    if rating is not None:
        rating = _number(rating, f"{where}.rating", expected="a finite number or null")
    type_ = raw.get("type")
    if type_ is None:
        type_ = "view" if rating is None else "rating"
    elif not isinstance(type_, str) or not type_.strip() or len(type_) > MAX_TYPE_CHARS:
        raise BadRequest(
            f"{where}.type",
            found=_show(type_),
            expected=f"a non-empty string of at most {MAX_TYPE_CHARS} characters",
        )
    name = _name({key: raw[key] for key in ("id", "text") if key in raw}, where)
    return Element(
        name=name,
        type=type_,
        rating=rating,
        at_s=None if at is None else _seconds(at, f"{where}.at"),
    )


def _seconds(raw: object, where: str) -> float:
    try:
        return parse_time(raw, now=_NO_CLOCK).timestamp()
    except (
        InvalidRecord,
        OverflowError,
    ) as error:  # the latter from a whole number of hundreds of digits
        raise BadRequest(
            where, found=_show(raw), expected="ISO 8601 or epoch seconds, from 1990 on"
        ) from error


def _name(raw: object, where: str) -> Name:
    """Parse what names one item: a string, a whole number (an id), `{"id"}` or `{"text"}`."""
    if isinstance(raw, str):
        return Name(kind="any", value=_text(raw, where))
    if isinstance(raw, int) and not isinstance(raw, bool):
        return Name(kind="id", value=_id(raw, where))
    if not isinstance(raw, dict):
        raise BadRequest(where, found=_show(raw), expected='a string, {"id": …} or {"text": …}')
    _known(raw, {"id", "text"}, where=where)
    if len(raw) != 1:
        raise BadRequest(
            where,
            found=" and ".join(sorted(raw)) or "neither",
            expected='exactly one of "id" and "text"',
        )
    if "id" in raw:
        return Name(kind="id", value=_id(raw["id"], f"{where}.id"))
    return Name(kind="text", value=_text(raw["text"], f"{where}.text"))


def _id(raw: object, where: str) -> str:
    if (
        isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**MAX_ID_CHARS
    ):  # str() of thousands of digits is an error
        return str(raw)
    if not isinstance(raw, str) or not raw.strip() or len(raw) > MAX_ID_CHARS:
        raise BadRequest(
            where,
            found=_show(raw),
            expected=f"an id: a non-empty string of at most {MAX_ID_CHARS} characters, or a whole number",
        )
    return _encodable(raw, where)


def _text(raw: object, where: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise BadRequest(where, found=_show(raw), expected="a non-empty string")
    if len(raw) > MAX_TEXT_CHARS:
        raise BadRequest(
            where, found=f"{len(raw)} characters", expected=f"at most {MAX_TEXT_CHARS} characters"
        )
    return _encodable(raw, where)


def _encodable(value: str, where: str) -> str:
    """Refuse lone surrogates: no tokenizer and no catalogue can hold them."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRequest(
                where, found=_show(value), expected="valid Unicode (no lone surrogates)"
            ) from error
    return value


def _k(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= MAX_K:
        raise BadRequest("k", found=_show(raw), expected=f"a whole number from 1 to {MAX_K}")
    return raw


def _filter(raw: object) -> dict[str, FilterValue]:
    if not isinstance(raw, dict) or len(raw) > MAX_FILTERS:
        raise BadRequest(
            "filter", found=_show(raw), expected=f"an object of at most {MAX_FILTERS} attributes"
        )
    return {
        _text(name, "filter"): _filter_value(value, f"filter.{_show_name(name)}")
        for name, value in raw.items()
    }


def _filter_value(raw: object, where: str) -> FilterValue:
    if isinstance(raw, str):
        return _encodable(raw, where)
    if (
        isinstance(raw, list)
        and raw
        and len(raw) <= MAX_CANDIDATES
        and all(isinstance(part, str) for part in raw)
    ):
        return tuple(_encodable(part, where) for part in raw)
    return _number(raw, where, expected="a string, a finite number or a non-empty list of strings")


def _number(raw: object, where: str, *, expected: str) -> float:
    value = math.nan
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        try:
            value = float(raw)
        except OverflowError:  # a whole number of more than 308 digits
            value = math.inf
    if not math.isfinite(value):
        raise BadRequest(where, found=_show(raw), expected=expected)
    return value


def _list(raw: object, where: str, *, limit: int) -> list[object]:
    if not isinstance(raw, list):
        raise BadRequest(where, found=_show(raw), expected="a list")
    if len(raw) > limit:
        raise BadRequest(where, found=f"{len(raw)} elements", expected=f"at most {limit}")
    return raw


def _known(body: Mapping[str, object], known: set[str], *, where: str | None = None) -> None:
    if body.keys() <= known:
        return
    for name in body:
        if name not in known:
            shown = _show_name(name)
            expected = f"only {', '.join(sorted(known))}"
            raise BadRequest(
                shown if where is None else f"{where}.{shown}",
                found="an unknown field",
                expected=expected,
            )


def _show_name(name: object) -> str:
    shown = ascii(name)[1:-1]
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _show(value: object) -> str:
    """Show what was found in at most 80 ASCII characters, so that neither a log nor a terminal can be hurt by it."""
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    if isinstance(value, int) and abs(value) > 10**70:
        return "a huge whole number"
    shown = ascii(value[:80]) if isinstance(value, str) else json.dumps(value, default=repr)
    return shown if len(shown) <= 80 else shown[:77] + "..."
