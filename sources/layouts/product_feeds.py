"""Files of items without events: feeds of products, and JSON lines of items.

A feed is Google Merchant's XML (RSS 2.0 or Atom), TSV or CSV. Each line of JSON is an item as
`POST /v1/items` takes it. Only a file that the user names is read so.

A file is read twice: to check it, and for its items. Nothing of it is held but its bad rows.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recommender.records.excerpt import shorten
from recommender.records.record_fields import InvalidRecord
from sources.feeds.product import ITEM_FIELDS, FeedError, FeedProduct, RawRecord, item_of
from sources.feeds.table_products import has_header, table_products
from sources.feeds.text_lines import text_lines
from sources.feeds.xml_products import xml_products
from sources.files.folders import DataFolder
from sources.interactions import Interactions
from sources.row_file import RowFile
from sources.source import Reject, Source, SourceError

FILES = "a product feed in XML, TSV or CSV, or JSON lines with item_id and title"
_PIECE_BYTES = 1 << 16  # all products that end in a piece are held at once
_EARLIEST_S = 631_152_000  # 1990: records may not be older


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """An item, or why there is none, and its text as a dead letter."""

    line: int
    found: RawRecord | InvalidRecord
    text: Callable[[], str]


def sets_in(folder: DataFolder) -> list[str]:
    """Return the chosen file if it looks like one with items."""
    name = folder.chosen
    return [name] if name is not None and _reader_of(folder, name) is not None else []


def read_source(folder: DataFolder, file: str) -> Source:
    """Read a file of items; raise SourceError when it can't be read or has no item."""
    items = _FeedItems(folder=folder, file=file, digest="", at_s=_written_at(folder, file))
    num_items, rejects = 0, list[Reject]()
    digest = hashlib.sha256()
    for row in items.rows(on_block=digest.update):
        if isinstance(row.found, InvalidRecord):
            rejects.append(Reject(file=file, line=row.line, reason=_reason(row.found)))
        else:
            num_items += 1
    if num_items == 0:
        first = f" (line {rejects[0].line}: {rejects[0].reason})" if rejects else ""
        raise SourceError(folder.path_of(file), expected=f"at least one good item{first}")
    digest.update(str(items.at_s).encode())
    items = _FeedItems(folder=folder, file=file, digest=digest.hexdigest(), at_s=items.at_s)
    return Source(
        name=f"items ({file})",
        items=items,
        num_items=num_items,
        items_file=file,
        events_path=folder.path_of(file),
        called={name: theirs[0] for name, theirs in ITEM_FIELDS.items()},
        events=_no_events(file, digest.hexdigest()),
        rejects=tuple(rejects),
        read_rejects=items.read_rejects,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FeedItems:
    """The items of a file, which is read again at each iteration.

    They are as old as the file, so an older feed does not replace what a newer one says. When an id
    comes twice, the later one counts: ids of records increase in a file.
    """

    folder: DataFolder
    file: str
    digest: str
    at_s: float

    def __iter__(self) -> Iterator[RawRecord]:
        for number, row in enumerate(self.rows()):
            if not isinstance(row.found, InvalidRecord):
                at = row.found.get("at")
                yield (
                    row.found
                    | {
                        "at": self.at_s if at is None else at,  # null counts as missing
                        "event_id": f"{self.digest[:16]}:{number:09}:{row.line}",
                    }
                )

    def rows(self, on_block: Callable[[bytes], None] | None = None) -> Iterator[_Row]:
        """Yield all rows; raise SourceError."""
        reader = _reader_of(self.folder, self.file)
        assert reader is not None
        try:
            yield from reader(self._blocks(on_block))
        except FeedError as error:
            raise SourceError(
                self.folder.path_of(self.file),
                line=error.line,
                found=error.found,
                expected=error.expected,
            ) from error

    def read_rejects(self, rejects: Iterable[Reject]) -> Iterator[tuple[Reject, str]]:
        """Yield rejects with their rows: all of the file's, in its order."""
        bad = (row for row in self.rows() if isinstance(row.found, InvalidRecord))
        for reject, row in zip(rejects, bad, strict=False):
            yield reject, row.text()

    def _blocks(self, on_block: Callable[[bytes], None] | None) -> Iterator[bytes]:
        for block in self.folder.raw_blocks(self.file):
            if on_block is not None:
                on_block(block)
            for start in range(0, len(block), _PIECE_BYTES):
                yield block[start : start + _PIECE_BYTES]


Reader = Callable[[Iterator[bytes]], Iterator[_Row]]


def _reader_of(folder: DataFolder, file: str) -> Reader | None:
    """Return what reads a file with items; None if it looks like none."""
    line = folder.first_line(file).strip()
    if line.startswith("<"):
        return lambda blocks: map(_row_of, xml_products(blocks))
    if line.startswith("{"):
        return _json_rows if _is_item(line) else None
    return (lambda blocks: map(_row_of, table_products(blocks))) if has_header(line) else None


def _is_item(line: str) -> bool:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and {"item_id", "title"} <= value.keys()


def _row_of(product: FeedProduct) -> _Row:
    def row_text() -> str:
        return json.dumps(dict(product.fields), ensure_ascii=False)

    try:
        return _Row(line=product.line, found=item_of(product), text=row_text)
    except InvalidRecord as error:
        return _Row(line=product.line, found=error, text=row_text)


def _json_rows(blocks: Iterator[bytes]) -> Iterator[_Row]:
    for number, line in enumerate(text_lines(blocks), start=1):
        if line.strip():
            yield _Row(line=number, found=_json_item(line), text=line.rstrip("\r\n").__str__)


def _json_item(line: str) -> RawRecord | InvalidRecord:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return InvalidRecord("record", found=shorten(line), expected="a JSON object")
    return value


def _written_at(folder: DataFolder, file: str) -> float:
    """Return when a file, or the zip file around it, was written, in epoch seconds."""
    path = Path(folder.path_of(file))
    on_disk = next(one for one in (path, *path.parents) if one.exists())
    return max(_EARLIEST_S, min(on_disk.stat().st_mtime, time.time()))


def _reason(error: InvalidRecord) -> str:
    # what was found differs from row to row; the dead letter has it
    return f"{error.field}: expected {error.reason.rpartition(', expected ')[2]}"


def _no_events(file: str, digest: str) -> Interactions:
    return Interactions(
        file=file,
        file_sha256=digest,
        user_ids=(),
        item_ids=(),
        rows=RowFile(),
        type_without_rating="view",
    )
