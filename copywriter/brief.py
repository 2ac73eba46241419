"""A brief: everything that a text about items may say, and how it is to say it.

A brief is made from item records and from the reasons of a list. It has no place for what a reader
wrote, nor for who the reader is: of a reader it knows titles of items and what those have in common
with the recommended ones.

`digest` names a brief: equal briefs have equal digests, in every process and release.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import msgspec

Kind = Literal["reason_line", "item_blurb", "row_title", "newsletter"]
Language = Literal["en", "zh"]
Tone = Literal["plain", "warm", "lively"]
PopularAmong = Literal["everyone", "audience"]
BriefValue = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefAttribute:
    """An attribute and its values: `genre` with `Sci-Fi` and `War`."""

    name: str
    values: tuple[BriefValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefFact:
    """How an item is related to something that has a name: `director`, `Ann Lee`."""

    relation: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefItem:
    """An item that the text is about. An item without a record has no title."""

    title: str | None
    attributes: tuple[BriefAttribute, ...] = ()
    facts: tuple[BriefFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFact:
    """What the item has in common with an item of the reader's history, by that one's title.

    Both have the same `relation` to something, whose name may be unknown. If `is_direct`, a fact
    relates the two to each other, and there is no name.
    """

    title: str
    relation: str
    name: str | None = None
    is_direct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefReason:
    """Why the first item of the brief was recommended.

    `nearest` are titles of the reader's history, the most similar first; `shared` are values of the
    item that one of those has too.
    """

    nearest: tuple[str, ...] = ()
    shared: tuple[BriefAttribute, ...] = ()
    facts: tuple[SharedFact, ...] = ()
    popular_among: PopularAmong | None = None
    new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What to write about, for whom and how. `max_chars` counts Unicode characters.

    `audience` is a segment of readers by what they like; None is everybody, or the reader whose
    history the reason names. `placement` is where the text will be shown.
    """

    kind: Kind
    items: tuple[BriefItem, ...]
    reason: BriefReason | None = None
    audience: BriefAttribute | None = None
    tone: Tone = "plain"
    language: Language = "en"
    max_chars: int
    placement: str | None = None

    def as_json(self) -> bytes:
        """Return the brief as JSON: equal briefs give equal bytes."""
        return _ENCODER.encode(self)

    def digest(self) -> str:
        """Return the SHA-256 of the brief's JSON, in hexadecimal."""
        return hashlib.sha256(self.as_json()).hexdigest()

    @classmethod
    def from_json(cls, text: str | bytes) -> Brief:
        """Return the brief that `as_json` gave; raise ValueError naming the place that is wrong."""
        return _DECODER.decode(text)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Brief)
