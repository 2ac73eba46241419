"""A separate file of items, one per row, in columns that the user names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from recommender.records.images import web_images
from sources.cells.values import expected_id, id_of, text_of
from sources.files.blocks import Blocks
from sources.files.folders import DataFolder, data_folders
from sources.interactions import record_id
from sources.layouts.table_files import role_chunks
from sources.source import REPEATED_ITEM, TITLE_CHARS, RawRecord, Reject, SourceError
from sources.tables.columns import Chunk, ItemColumns
from sources.tables.rows import no_good_row, raw_rows

_ATTRIBUTE = "attribute "


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItems:
    """The items of a file, which is read again at each iteration, and the rejected rows.

    `folder` contains the file. `repeated` are the lines of items that an earlier line has.
    """

    folder: DataFolder
    file: str
    columns: ItemColumns
    sha256: str
    num_items: int
    repeated: frozenset[int]
    rejects: tuple[Reject, ...]

    def __len__(self) -> int:
        return self.num_items

    def __iter__(self) -> Iterator[RawRecord]:
        digest = hashlib.sha256(f"items of {self.sha256}".encode()).hexdigest()
        known_rejects = list[Reject]()
        blocks = Blocks(self.folder, self.file)
        for chunk in _chunks(blocks, self.folder, self.file, self.columns, known_rejects):
            for line, cells in _rows(chunk):
                item_id = id_of(cells["item"])
                if item_id and line not in self.repeated:
                    yield {"event_id": record_id(digest, line), **_content(item_id, cells)}

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
    file, rejects, repeated = folder.chosen, list[Reject](), list[Reject]()
    folder.expect_text(file)
    blocks, seen = Blocks(folder, file), set[str]()
    for chunk in _chunks(blocks, folder, file, columns, rejects):
        for row, (line, cell) in enumerate(
            zip(chunk.lines_N.tolist(), chunk.cells["item"].values().tolist(), strict=True)
        ):
            item_id = id_of(text_of(cell))
            num_lines = chunk.num_lines[row]
            if not item_id:
                reason = f"{columns.item}: {expected_id(cell)}"
                rejects.append(Reject(file=file, line=line, reason=reason, num_lines=num_lines))
            elif item_id in seen:
                repeated.append(Reject(file=file, line=line, reason=REPEATED_ITEM))
            seen.add(item_id)
    seen.discard("")
    if not seen:
        raise no_good_row(
            folder, file, rejects, f"at least one item with an id in column {columns.item}"
        )
    return ListedItems(
        folder=folder,
        file=file,
        columns=columns,
        sha256=blocks.sha256,
        num_items=len(seen),
        repeated=frozenset(reject.line for reject in repeated),
        rejects=tuple(sorted(rejects + repeated, key=lambda reject: reject.line)),
    )


def _chunks(
    blocks: Blocks, folder: DataFolder, file: str, columns: ItemColumns, rejects: list[Reject]
) -> Iterator[Chunk]:
    return role_chunks(blocks, folder, file, columns.by_role(), None, rejects)


def _rows(chunk: Chunk) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the texts by role of each row."""
    columns = {role: column.values().tolist() for role, column in chunk.cells.items()}
    for row, line in enumerate(chunk.lines_N.tolist()):
        yield line, {role: text_of(texts[row]).strip() for role, texts in columns.items()}


def _content(item_id: str, cells: dict[str, str]) -> RawRecord:
    """Return an item without its event id.

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
        "item_id": item_id,
        "title": shown,
        "text": words or shown,
        "attributes": attributes,
        "images": web_images(cells.get("images", "").split()),
    }
