"""The body of a request, parsed strictly: JSON text in, a typed request or a BadRequest out.

Rules that hold for all requests:
* Unknown fields are refused, and so is a body that asks for two things at once.
* An empty history is a cold user. An empty `items` is a mistake.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from recommender.records.record_fields import MAX_TYPE_CHARS, InvalidRecord
from recommender.records.record_times import EARLIEST, parse_time
from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    is_plain_text,
    read_count,
    read_filter,
    read_flag,
    read_ids,
    read_list,
    read_name,
    read_number,
    read_text,
)
from recommender.requests.event_columns import (
    EVENT_FIELDS,
    columns_of_objects,
    plain_columns,
)
from recommender.requests.policy_fields import read_policy
from recommender.requests.rule_fields import read_rules, read_whole
from recommender.requests.wire import (
    DEFAULT_FOUND,
    DEFAULT_SIMILAR,
    MAX_ALTERNATIVES,
    MAX_CANDIDATES,
    MAX_EXCLUDED,
    MAX_HISTORY,
    MAX_PICTURE_BYTES,
    MAX_RANKED_IDS,
    MAX_SEARCH_CHARS,
    MAX_VALUES,
    SIMILARITIES,
    BadRequest,
    Element,
    History,
    Name,
    PictureRequest,
    Request,
    ScoreRequest,
    SearchRequest,
    SimilarRequest,
    TopRequest,
    is_similarity,
)

_FIELDS = {
    "user_seq",
    "item_desc",
    "items",
    "k",
    "exclude_seen",
    "exclude",
    "filter",
    "candidates",
    "context",
    "explain",
    "rules",
    "policy",
    "propensities_of",
    "alternatives",
    "similar_to",
    "by",
    "search",
}
_NEEDED = {"id", "type"}  # of a history in columns
_OF_TOP = {*_FIELDS} - {"item_desc", "items", "similar_to", "by", "search"}
_BEFORE_VALUES = ",:[{"  # each value and each name in JSON follows one of these
# An answer depends on its request alone, so `at` is not compared with the present time.
_NO_CLOCK = datetime(9000, 1, 1, tzinfo=UTC)
_EARLIEST_S, _LATEST_S = EARLIEST.timestamp(), _NO_CLOCK.timestamp()
# Names that are kept, since popular items are in many histories; at most 30 MB.
NAMES_KEPT, MAX_KEPT_CHARS = 65_536, 64


def decode(body: object) -> object:
    """Return a body's JSON value; bytes and strings are parsed. Raise BadRequest."""
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
            "body",
            found=f"JSON of more than {MAX_VALUES:,} values",
            expected="fewer in one request",
        )
    try:
        return _read_json(text)
    except RecursionError as error:
        raise BadRequest(
            "body", found="JSON nested too deeply", expected="a JSON object or a list of them"
        ) from error
    except ValueError as error:
        raise BadRequest(
            "body", found=f"malformed JSON ({error})", expected="a JSON object or a list of them"
        ) from error


def _read_json(text: str) -> object:
    """Parse JSON; msgspec takes a third of the time for all but the rarest of what `json` reads."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return json.loads(text)


def num_values(body: object) -> int:
    """Return roughly how many JSON values a text has, before it is parsed; 0 for parsed JSON."""
    if isinstance(body, str):
        return sum(map(body.count, _BEFORE_VALUES))
    if isinstance(body, bytes | bytearray):
        return sum(map(body.count, _BEFORE_VALUES.encode()))
    return 0


def parse(body: object) -> Request:
    """Parse one JSON object into a request; raise BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("body", found=describe(body), expected="a JSON object")
    expect_known_fields(body, _FIELDS)  # so that a misspelt `kk` is named in the error
    asked = [name for name in ("item_desc", "items", "k", "similar_to") if name in body]
    if "similar_to" in body:
        return _similar(body)
    if "search" in body:
        return _search(body)
    if len(asked) != 1:
        found = " and ".join(asked) if asked else "none of them"
        raise BadRequest(
            "body",
            found=found,
            expected="user_seq with exactly one of item_desc, items, k; or similar_to; or search",
        )
    if asked[0] == "k":
        return _top(body)
    return _score(body, single=asked[0] == "item_desc")


def _similar(body: Mapping[str, object]) -> SimilarRequest | PictureRequest:
    expect_known_fields(body, {"similar_to", "k", "by", "filter"})
    named = body["similar_to"]
    if isinstance(named, dict) and "picture" in named:
        return _picture(body, named)
    by = body.get("by", "taste")
    if not is_similarity(by):
        raise BadRequest("by", found=describe(by), expected=SIMILARITIES)
    return SimilarRequest(
        item=read_name(body["similar_to"], "similar_to"),
        k=read_count(body["k"]) if "k" in body else DEFAULT_SIMILAR,
        by=by,
        filter=read_filter(body.get("filter", {})),
    )


def _picture(body: Mapping[str, object], named: Mapping[str, object]) -> PictureRequest:
    expect_known_fields(named, {"picture"}, where="similar_to")
    if body.get("by", "picture") != "picture":
        raise BadRequest("by", found=describe(body["by"]), expected="picture, to compare a picture")
    return PictureRequest(
        picture=read_picture(named["picture"], "similar_to.picture"),
        k=read_count(body["k"]) if "k" in body else DEFAULT_SIMILAR,
        filter=read_filter(body.get("filter", {})),
    )


def read_picture(raw: object, where: str) -> bytes:
    """Return the bytes of a picture in base64; raise BadRequest."""
    expected = f"a picture in base64, at most {MAX_PICTURE_BYTES:,} bytes of it"
    if not isinstance(raw, str) or not raw:
        raise BadRequest(where, found=describe(raw), expected=expected)
    if len(raw) > -(-MAX_PICTURE_BYTES // 3) * 4:
        raise BadRequest(where, found=f"{len(raw):,} characters", expected=expected)
    try:
        return base64.b64decode(raw, validate=True)
    except ValueError as error:  # binascii.Error, or letters outside ASCII
        raise BadRequest(where, found=f"broken base64 ({error})", expected=expected) from error


def _search(body: Mapping[str, object]) -> SearchRequest:
    expect_known_fields(body, {"search", "user_seq", "k", "filter", "exclude"})
    return SearchRequest(
        text=read_text(body["search"], "search", limit=MAX_SEARCH_CHARS),
        k=read_count(body["k"]) if "k" in body else DEFAULT_FOUND,
        history=_user_seq(body.get("user_seq", [])),
        exclude=read_ids(body.get("exclude", []), "exclude", limit=MAX_EXCLUDED),
        filter=read_filter(body.get("filter", {})),
    )


def _score(body: Mapping[str, object], *, single: bool) -> ScoreRequest:
    expect_known_fields(body, {"user_seq", "item_desc" if single else "items"})
    history = _history(body)
    if single:
        return ScoreRequest(
            history=history, items=(read_name(body["item_desc"], "item_desc"),), single=True
        )
    items = read_list(body["items"], "items", limit=MAX_CANDIDATES)
    if not items:
        raise BadRequest("items", found=describe(items), expected="at least one item")
    return ScoreRequest(
        history=history,
        items=tuple(read_name(item, f"items[{i}]") for i, item in enumerate(items)),
        single=False,
    )


def _top(body: Mapping[str, object]) -> TopRequest:
    expect_known_fields(body, _OF_TOP)
    candidates = None
    if "candidates" in body:
        candidates = read_ids(body["candidates"], "candidates", limit=MAX_RANKED_IDS)
    k = read_count(body["k"])
    is_drawn = "propensities_of" not in body
    policy = None
    if "policy" in body:
        policy = read_policy(body["policy"], "policy", is_drawn=is_drawn)
    return TopRequest(
        history=_history(body),
        k=k,
        exclude_seen=read_flag(body, "exclude_seen", default=True),
        exclude=read_ids(body.get("exclude", []), "exclude", limit=MAX_EXCLUDED),
        filter=read_filter(body.get("filter", {})),
        candidates=candidates,
        context=_element(body["context"], "context") if "context" in body else None,
        explain=read_flag(body, "explain", default=False),
        rules=read_rules(body["rules"], "rules") if "rules" in body else None,
        policy=policy,
        propensities_of=None if is_drawn else _drawn_before(body, k=k),
        alternatives=_num_alternatives(body),
    )


def _drawn_before(body: Mapping[str, object], *, k: int) -> tuple[str, ...]:
    """Return the list whose propensities are asked for, in a question that has a policy."""
    if "policy" not in body:
        raise BadRequest("policy", found="nothing", expected="the policy of propensities_of")
    if read_flag(body, "explain", default=False):
        raise BadRequest("explain", found="true", expected="no explain with propensities_of")
    return read_ids(body["propensities_of"], "propensities_of", limit=k)


def _num_alternatives(body: Mapping[str, object]) -> int:
    if "alternatives" not in body:
        return 0
    if "propensities_of" not in body:
        raise BadRequest("alternatives", found="no list", expected="it with propensities_of")
    return read_whole(body["alternatives"], "alternatives", 0, MAX_ALTERNATIVES)


def _history(body: Mapping[str, object]) -> History:
    if "user_seq" not in body:
        raise BadRequest(
            "user_seq", found="nothing", expected="a list; an empty one is a user without a history"
        )
    return _user_seq(body["user_seq"])


def _user_seq(raw: object) -> History:
    if isinstance(raw, dict):
        return read_columns(raw, "user_seq", limit=MAX_HISTORY)
    return read_history(raw, "user_seq", limit=MAX_HISTORY)


def read_columns(raw: Mapping[str, object], where: str, *, limit: int) -> History:
    """Parse a history in columns, each a list with a value of every element; raise BadRequest."""
    expect_known_fields(raw, {*EVENT_FIELDS}, where=where)
    if not raw.keys() >= _NEEDED:
        expected = "a list of elements, or columns with id and type"
        raise BadRequest(where, found=describe(raw), expected=expected)
    columns = {
        name: read_list(raw[name], f"{where}.{name}", limit=limit)
        for name in EVENT_FIELDS
        if name in raw
    }
    num = len(columns["id"])
    for name, values in columns.items():
        if len(values) != num:
            found, expected = f"{len(values)} values", f"{num}, one for each id"
            raise BadRequest(f"{where}.{name}", found=found, expected=expected)
    plain = plain_columns(columns, earliest_s=_EARLIEST_S, latest_s=_LATEST_S)
    if plain is not None:
        return plain
    rows = zip(*columns.values(), strict=True)
    objects = (dict(zip(columns, values, strict=True)) for values in rows)
    return History.of(_element(one, f"{where}[{i}]") for i, one in enumerate(objects))


def read_history(raw: object, where: str, *, limit: int) -> History:
    """Parse a list of history elements; raise BadRequest."""
    listed = read_list(raw, where, limit=limit)
    columns = columns_of_objects(listed)
    if columns is not None:
        plain = plain_columns(columns, earliest_s=_EARLIEST_S, latest_s=_LATEST_S)
        if plain is not None:
            return plain
    history = []
    for i, one in enumerate(listed):
        # Many elements are ids or titles. Long ones would take more memory than they save time.
        bare = None
        if isinstance(one, str) and len(one) <= MAX_KEPT_CHARS:
            bare = _bare_element(one)
        history.append(_element(one, f"{where}[{i}]") if bare is None else bare)
    return History.of(history)


@lru_cache(maxsize=NAMES_KEPT)
def _bare_element(raw: str) -> Element | None:
    """Return the element that a plain string stands for; None for a string to be examined."""
    return Element(name=Name(kind="any", value=raw)) if is_plain_text(raw) else None


def _element(raw: object, where: str) -> Element:
    if not isinstance(raw, dict):
        return Element(name=read_name(raw, where))
    expect_known_fields(raw, {"id", "text", "rating", "type", "at"}, where=where)
    rating, at = raw.get("rating"), raw.get("at")
    if rating is not None:
        rating = read_number(rating, f"{where}.rating", expected="a finite number or null")
    type_ = raw.get("type")
    if type_ is None:
        type_ = "view" if rating is None else "rating"
    else:
        type_ = read_text(type_, f"{where}.type", limit=MAX_TYPE_CHARS)
    name = read_name({key: raw[key] for key in ("id", "text") if key in raw}, where)
    return Element(
        name=name,
        type=type_,
        rating=rating,
        at_s=None if at is None else read_time(at, f"{where}.at").timestamp(),
    )


def read_time(raw: object, where: str) -> datetime:
    """Parse a time from 1990 on, which is not compared with the clock; raise BadRequest."""
    try:
        return parse_time(raw, now=_NO_CLOCK)
    except (
        InvalidRecord,
        OverflowError,
    ) as error:  # the latter from a whole number of hundreds of digits
        raise BadRequest(
            where, found=describe(raw), expected="ISO 8601 or epoch seconds, from 1990 on"
        ) from error
