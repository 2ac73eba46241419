"""The metadata of Amazon Reviews as items and facts: JSON or Python literals, one per line."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recommender.records.images import web_images
from sources.files.blocks import Blocks, numbered_lines
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.interactions import record_id
from sources.source import REPEATED_ITEM, TITLE_CHARS, RawRecord, Reject, SourceError
from sources.tables.json_lines import literal

_TAG = re.compile(r"<[a-zA-Z/!][^<>]*>")  # does not match 3<4 and 5>2
_SCRIPT = "getTime()"  # some titles of 2018 are a piece of the page's JavaScript
_SIZES = ("hi_res", "large", "thumb")  # of a picture of 2023, the greatest first
# by field: the relation; 2014 calls the same things by other names
_TOGETHER = {
    "also_buy": "also_buy",
    "also_bought": "also_buy",
    "also_view": "also_view",
    "also_viewed": "also_view",
    "bought_together": "bought_together",
    "buy_after_viewing": "buy_after_viewing",
}
EXPECTED_ITEMS = "at least one item that somebody reviewed"


def metadata_items(
    folder: DataFolder, file: str, wanted: frozenset[str]
) -> Iterator[RawRecord | Reject]:
    """Yield the wanted items of a metadata file; the first of an id counts.

    Items come after all rejects, since their ids need the file's digest.
    """
    blocks, others, nameless = Blocks(folder, file), 0, 0
    found: dict[str, tuple[int, RawRecord]] = {}
    for block in numbered_lines(blocks):
        for line, raw in block:
            text = as_text(raw).strip()
            values = literal(text) if text else {}
            if values is None:
                yield Reject(
                    file=file, line=line, reason="expected a JSON object or a Python dictionary"
                )
                continue
            item_id = str(values.get("parent_asin") or values.get("asin") or "")
            if item_id not in wanted:
                others += bool(item_id)
                continue
            record = _record(item_id, values)
            if item_id in found:
                yield Reject(file=file, line=line, reason=REPEATED_ITEM)
            elif record is None:
                nameless += 1
                yield Reject(
                    file=file, line=line, reason="title: expected a title, or a text to replace it"
                )
            else:
                found[item_id] = (line, record)
    if others and not (found or nameless):
        raise SourceError(
            folder.path_of(file),
            found=f"{others:,} items, none of them reviewed",
            expected=EXPECTED_ITEMS,
        )
    for line, record in found.values():
        yield {"event_id": record_id(blocks.sha256, line), **record}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataFacts:
    """Which reviewed items are bought or viewed together, as facts; read at each iteration.

    2014 has lists in `related`, 2018 has `also_buy` and `also_view`. What is bought or viewed but
    was never reviewed is left out, since the data says nothing else about it.
    """

    folder: DataFolder
    file: str
    wanted: frozenset[str]

    def __iter__(self) -> Iterator[RawRecord]:
        for block in numbered_lines(Blocks(self.folder, self.file)):
            for line, raw in block:
                values = literal(as_text(raw).strip() or "{}") or {}
                for fact in self._facts(values):
                    yield {"event_id": _fact_id(fact, line), **fact}

    def _facts(self, values: Mapping[str, object]) -> Iterator[dict[str, str]]:
        item_id = str(values.get("parent_asin") or values.get("asin") or "")
        related = values.get("related")
        listed = {**values, **related} if isinstance(related, dict) else values
        for name, relation in _TOGETHER.items() if item_id in self.wanted else ():
            tails = listed.get(name)
            for tail in dict.fromkeys(map(str, tails)) if isinstance(tails, list) else ():
                if tail in self.wanted and tail != item_id:
                    yield {"head": item_id, "relation": relation, "tail": tail}


def _fact_id(fact: Mapping[str, str], line: int) -> str:
    """Return an id made of a fact's content and its line."""
    return record_id(hashlib.sha256("\0".join(fact.values()).encode()).hexdigest(), line)


def _record(item_id: str, values: Mapping[str, object]) -> RawRecord | None:
    """Return an item without its event id; None when it has no title and no text.

    Its text consists of title, brand, categories and description.
    """
    brand = _clean(values.get("brand") or values.get("store"))
    categories = list(dict.fromkeys(_words(values.get("categories") or values.get("category"))))
    description = " ".join(
        _words(values.get("features") or values.get("feature")) + _words(values.get("description"))
    )
    title = (
        _clean(values.get("title"))
        or " ".join(part for part in (brand, *categories[-1:]) if part)
        or description[:TITLE_CHARS]
    )
    if not title:
        return None
    attributes: dict[str, object] = {"brand": brand} if brand else {}
    if categories:
        attributes["category"] = categories
    parts = [title, brand, ", ".join(categories), description]
    return {
        "item_id": item_id,
        "title": title[:TITLE_CHARS],
        "text": ". ".join(part for part in parts if part),
        "attributes": attributes,
        "images": web_images(_images(values)),
    }


def _images(values: Mapping[str, object]) -> list[str]:
    """Return the pictures of any edition of the data, each in its greatest size.

    2014 has one in `imUrl`, 2018 has texts in `imageURLHighRes` and `imageURL`, and 2023 has
    objects in `images`, the main one marked.
    """
    listed = values.get("images")
    pictures = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    pictures.sort(key=lambda one: one.get("variant") != "MAIN")
    found = [next(filter(None, map(one.get, _SIZES)), None) for one in pictures]
    for name in ("imageURLHighRes", "imageURL", "imUrl"):
        texts = values.get(name)
        if texts and not found:
            found = list(texts) if isinstance(texts, list) else [texts]
    return [text for text in found if isinstance(text, str)]


def _words(value: object) -> list[str]:
    """Return the cleaned texts in a text, a list, or nested lists, without empty ones."""
    if isinstance(value, list):
        return [word for one in value for word in _words(one)]
    cleaned = _clean(value)
    return [cleaned] if cleaned else []


def _clean(value: object) -> str:
    """Return a text without HTML and repeated blanks; anything else becomes empty."""
    if not isinstance(value, str) or _SCRIPT in value:
        return ""
    return " ".join(_TAG.sub(" ", html.unescape(value)).split())
