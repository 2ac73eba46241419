"""A separate file of items, one per row, in columns that the user names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sources.cells.values import expected_id, id_of, text_of
from sources.files.blocks import Blocks
from sources.files.folders import DataFolder, data_folders
from sources.interactions import record_id
from sources.layouts.table_files import role_chunks
from sources.source import TITLE_CHARS, RawRecord, Reject, SourceError, first_of_each_item
from sources.tables.columns import Chunk, ItemColumns
from sources.tables.rows import no_good_row, raw_rows

_ATTRIBUTE = "attribute "


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItems:
    """The items of a file and the rejected rows. `folder` contains the file."""

    folder: DataFolder
    file: str
    items: list[RawRecord]
    rejects: tuple[Reject, ...]

    def raw_rows(
        self, events_folder: DataFolder, rejects: Iterable[Reject]
    ) -> Iterator[tuple[Reject, str]]:
        """Yield rejects with their rows.

        Rejected events are in another folder, perhaps in a file of the same name.
        """
        ours = {id(reject) for reject in self.rejects}
        all_rejects = list(rejects)
        yield from raw_rows(self.folder, [reject for reject in all_rejects if id(reject) in ours])
        yield from raw_rows(
            events_folder, [reject for reject in all_rejects if id(reject) not in ours]
        )


def read_items(columns: ItemColumns) -> ListedItems:
    """Read a file of items; raise SourceError when it can't be read or has no item."""
    folder = next((one for one in data_folders(columns.path) if one.chosen is not None), None)
    if folder is None or folder.chosen is None:
        raise SourceError(str(columns.path), expected="one file that lists the items, for --items")
    file, rejects, rows = folder.chosen, list[Reject](), list[tuple[int, RawRecord]]()
    folder.expect_text(file)
    blocks = Blocks(folder, file)
    for chunk in role_chunks(blocks, folder, file, columns.by_role(), None, rejects):
        rows += _rows(chunk, file, columns, rejects)
    items, repeated = first_of_each_item(file, rows)
    digest = hashlib.sha256(f"items of {blocks.sha256}".encode()).hexdigest()
    for item in items:
        item["event_id"] = record_id(digest, int(str(item["event_id"])))
    if not items:
        raise no_good_row(
            folder, file, rejects, f"at least one item with an id in column {columns.item}"
        )
    ordered = tuple(sorted(rejects + repeated, key=lambda reject: reject.line))
    return ListedItems(folder=folder, file=file, items=items, rejects=ordered)


def _rows(
    chunk: Chunk, file: str, columns: ItemColumns, rejects: list[Reject]
) -> Iterator[tuple[int, RawRecord]]:
    for row, line in enumerate(chunk.lines_N.tolist()):
        cells = {role: text_of(texts[row]).strip() for role, texts in chunk.texts.items()}
        item_id = id_of(cells["item"])
        if item_id:
            yield line, _record(item_id, line, cells)
        else:
            reason = f"{columns.item}: {expected_id(chunk.texts['item'][row])}"
            rejects.append(
                Reject(file=file, line=line, reason=reason, num_lines=chunk.num_lines[row])
            )


def _record(item_id: str, line: int, cells: dict[str, str]) -> RawRecord:
    """Return an item with its line in place of the event id.

    A missing title is replaced by the text, the attributes or the id.
    """
    attributes = {
        role.removeprefix(_ATTRIBUTE): cell
        for role, cell in cells.items()
        if role.startswith(_ATTRIBUTE) and cell
    }
    title, text = cells.get("title", ""), cells.get("text", "")
    shown = (title or " ".join(text.split()) or " ".join(attributes.values()) or item_id)[
        :TITLE_CHARS
    ]
    words = ". ".join(dict.fromkeys(part for part in (title, text, *attributes.values()) if part))
    return {
        "event_id": str(line),
        "item_id": item_id,
        "title": shown,
        "text": words or shown,
        "attributes": attributes,
    }
