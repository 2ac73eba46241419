"""The body of `POST /v1/copy`, parsed strictly; every mistake names its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import cast, get_args

from copywriter.brief import BriefAttribute, Kind, Tone
from copywriter.list_briefs import CopyStyle
from cron.placement import check_name
from gateway.bodies.copy import (
    DEFAULT_WAIT_S,
    MAX_CHARS,
    MAX_COPY_ITEMS,
    MAX_WAIT_S,
    MIN_CHARS,
    CopyBody,
)
from gateway.content.languages import read_language
from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    read_filter,
    read_id,
    read_ids,
)
from recommender.requests.wire import BadRequest, Element, Name

MAX_HISTORY = 100
ABOUT_ONE: frozenset[Kind] = frozenset({"reason_line", "item_blurb"})
NEWSLETTER_CHARS = 4  # times `copy.max_chars`
_FIELDS = {field.name for field in fields(CopyBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyQuestion:
    """A text that a client asks for now; `timeout_s` is how long a model may write."""

    item_ids: tuple[str, ...]
    kind: Kind
    user_id: str | None
    history: tuple[Element, ...]
    audience: BriefAttribute | None
    style: CopyStyle
    timeout_s: float


def parse_copy(body: Mapping[str, object], style: CopyStyle) -> CopyQuestion:
    """Parse one JSON object; `style` is what the body leaves out. Raise BadRequest."""
    expect_known_fields(body, _FIELDS)
    given = {name: value for name, value in body.items() if value is not None}
    kind = cast(Kind, _read_word(given.get("kind", "reason_line"), "kind", get_args(Kind)))
    item_ids = read_ids(given.get("item_ids", []), "item_ids", limit=MAX_COPY_ITEMS)
    if not item_ids or (kind in ABOUT_ONE and len(item_ids) > 1):
        expected = f"one id for {kind}" if kind in ABOUT_ONE else "one id or more"
        raise BadRequest("item_ids", found=f"{len(item_ids)} ids", expected=expected)
    read = read_ids(given.get("history", []), "history", limit=MAX_HISTORY)
    return CopyQuestion(
        item_ids=item_ids,
        kind=kind,
        user_id=read_id(given["user_id"], "user_id") if "user_id" in given else None,
        history=tuple(Element(name=Name(kind="id", value=one)) for one in read),
        audience=_read_audience(given["audience"]) if "audience" in given else None,
        style=_read_style(given, kind, style),
        timeout_s=_read_number(
            given.get("timeout_s", DEFAULT_WAIT_S), "timeout_s", least=0.001, greatest=MAX_WAIT_S
        ),
    )


def _read_style(given: Mapping[str, object], kind: Kind, style: CopyStyle) -> CopyStyle:
    longer = NEWSLETTER_CHARS if kind == "newsletter" else 1
    max_chars = style.max_chars * longer
    if "max_chars" in given:
        number = _read_number(given["max_chars"], "max_chars", least=MIN_CHARS, greatest=MAX_CHARS)
        max_chars = int(number)
    found = replace(style, max_chars=max_chars)
    if "language" in given:
        found = replace(found, language=read_language(given["language"]))
    if "tone" in given:
        tone = cast(Tone, _read_word(given["tone"], "tone", get_args(Tone)))
        found = replace(found, tone=tone)
    if "placement" in given:
        found = replace(found, placement=check_name(given["placement"], "placement"))
    return found


def _read_audience(raw: object) -> BriefAttribute:
    wanted = read_filter(raw)
    if len(wanted) != 1:
        found = f"{len(wanted)} attributes"
        raise BadRequest("audience", found=found, expected="one attribute and its values")
    ((name, value),) = wanted.items()
    values = value if isinstance(value, tuple) else (value,)
    return BriefAttribute(name=name, values=values)


def _read_word(raw: object, field: str, words: tuple[str, ...]) -> str:
    if not isinstance(raw, str) or raw not in words:
        raise BadRequest(field, found=describe(raw), expected=", ".join(words))
    return raw


def _read_number(raw: object, field: str, *, least: float, greatest: float) -> float:
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if not is_number or not least <= cast(float, raw) <= greatest:
        raise BadRequest(
            field, found=describe(raw), expected=f"a number from {least:g} to {greatest:g}"
        )
    return cast(float, raw)
