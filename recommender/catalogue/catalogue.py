"""The catalogue: the row, title, text and attributes of each item. Rows are only appended.

An id is the client's string and a row is our integer; only this file converts between them. It
imports no torch and holds no vectors. A catalogue is *columns*, which all releases since a full
retrain share, and the *changes* since then: the items that were replaced or added. Beside them is
the knowledge graph, if there are facts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from recommender.arrays.bases import link_or_copy
from recommender.arrays.text_column import TextColumn
from recommender.catalogue.attribute_index import AttributeIndex, Value
from recommender.catalogue.item_columns import CatalogueColumns, CatalogueItem, read_attributes
from recommender.catalogue.knowledge_graph import GRAPH_FILE, KnowledgeGraph
from recommender.catalogue.title_search import TitleSearch
from recommender.catalogue.word_index import WordIndex

COLUMNS_FILE = "catalogue.safetensors"
CHANGES_FILE = "catalogue_changes.jsonl"
OLD_FILE = "catalogue.jsonl"  # of bundles from before there were columns: all items
# Changes are objects, which take several times the memory of a row and are not shared.
MAX_CHANGED_SHARE = 0.1
MASKS_KEPT = 16  # of filters; a byte for each item
# Items whose attributes are kept, since rules read those of popular items in every list.
ATTRIBUTES_KEPT = 32_768
NAMES_KEPT = 16_384  # of items, since popular ones are in many lists

Mask = npt.NDArray[np.bool_]


class UnknownAttribute(KeyError):
    """A filter names an attribute that no item has, nor is it a relation of facts."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        super().__init__(
            f"no item has the attribute {name!r}; the attributes are {', '.join(known) or 'none'}"
        )


def item_text(title: str | None, text: str | None) -> str | None:
    """Return the text that the encoder reads of an item; None without title and text.

    It is the title followed by the text, or the text alone when it begins with the title.
    """
    parts = [part.strip() for part in (title, text) if part is not None and part.strip()]
    if len(parts) == 2 and parts[1].startswith(parts[0]):
        return parts[1]
    return ". ".join(parts) or None


class Catalogue(Sequence[CatalogueItem]):
    """All items by row. It is immutable: `with_items` returns a new catalogue."""

    def __init__(self, items: Iterable[CatalogueItem] = ()) -> None:
        self._columns = CatalogueColumns.of(items)
        self._file: Path | None = None  # the file of the columns, once there is one
        self._changes: dict[int, CatalogueItem] = {}
        self.graph: KnowledgeGraph | None = None
        self._num_items = len(self._columns)
        num_ids = len(set(self._columns.ids))
        if num_ids != len(self):
            raise ValueError(
                f"a catalogue of {len(self)} items has {len(self) - num_ids} repeated ids"
            )

    @classmethod
    def _of(
        cls, columns: CatalogueColumns, file: Path | None, changes: dict[int, CatalogueItem]
    ) -> Catalogue:
        """Return the columns with some rows replaced, and with rows added at the end."""
        made = cls.__new__(cls)
        made._columns, made._file, made._changes = columns, file, changes
        made.graph = None
        made._num_items = max(len(columns), max(changes, default=-1) + 1)
        return made

    def with_graph(self, graph: KnowledgeGraph | None) -> Catalogue:
        """Return the same items with these facts."""
        made = Catalogue._of(self._columns, self._file, self._changes)
        made.graph = graph
        return made

    def __len__(self) -> int:
        return self._num_items

    @overload
    def __getitem__(self, row: int) -> CatalogueItem: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[CatalogueItem]: ...
    def __getitem__(self, row: int | slice) -> CatalogueItem | Sequence[CatalogueItem]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        row = range(len(self))[row]  # −1 is the last row; raises IndexError
        changed = self._changes.get(row)
        return self._columns[row] if changed is None else changed

    def __iter__(self) -> Iterator[CatalogueItem]:
        return map(self.__getitem__, range(len(self)))

    @property
    def ids(self) -> TextColumn:
        """Return the ids of all rows as a column."""
        num_own = len(self._columns)
        added = [self._changes[row].item_id for row in range(num_own, len(self))]
        return self._columns.ids.with_more(added) if added else self._columns.ids

    def name(self, row: int) -> tuple[str, str | None]:
        """Return the id and the title of a row, which are kept for the next call."""
        known = self._kept_names.get(row)
        if known is None:
            if len(self._kept_names) == NAMES_KEPT:
                self._kept_names.clear()
            changed = self._changes.get(row)
            if changed is None:
                known = (self._columns.ids[row] or "", self._columns.titles[row])
            else:
                known = (changed.item_id, changed.title)
            self._kept_names[row] = known
        return known

    def attributes(self, row: int) -> Mapping[str, Value]:
        """Return the attributes of a row, which are kept for the next call."""
        known = self._kept_attributes.get(row)
        if known is None:
            if len(self._kept_attributes) == ATTRIBUTES_KEPT:
                self._kept_attributes.clear()
            changed = self._changes.get(row)
            known = self._columns.attributes(row) if changed is None else changed.attributes
            self._kept_attributes[row] = known
        return known

    def row(self, item_id: str) -> int | None:
        """Return the row of an id; None when it is unknown."""
        row = self._columns.row(item_id)
        return self._added_rows.get(item_id) if row is None else row

    def num_with(self, name: str, value: str) -> int:
        """Return about how many items have a value of an attribute."""
        return len(self._columns.attribute_index.rows(name, value))

    def rows_with(self, name: str, value: str) -> npt.NDArray[np.int64]:
        """Return the rows whose attribute has a value; of a number, its decimal string."""
        is_changed_N = np.zeros(len(self), np.bool_)
        is_changed_N[self._changed_rows] = True
        rows = self._columns.attribute_index.rows(name, value)
        changed = self._changed_attributes.rows(name, value)
        return np.concatenate([rows[~is_changed_N[rows]], changed]).astype(np.int64)

    def changed_rows(self, since: Catalogue) -> list[int] | None:
        """Return the rows that are new or different since a catalogue that this one came from.

        None if they are not known, since all columns were written again.
        """
        if self._columns is not since._columns:
            return None
        return sorted(
            row for row, item in self._changes.items() if since._changes.get(row) is not item
        )

    def rows(self, item_ids: Sequence[str]) -> list[int | None]:
        """Return the row of each id, as `row` does; for many ids it takes less time."""
        rows = self._columns.rows(item_ids)
        if self._added_rows and None in rows:
            return list(map(self.row, item_ids))
        return rows

    def row_of_title(self, title: str) -> int | None:
        """Return the first row with exactly this title."""
        unchanged = (row for row in self._columns.rows_of_title(title) if row not in self._changes)
        rows = (next(unchanged, None), self._changed_titles.get(title))
        return min((row for row in rows if row is not None), default=None)

    def text(self, row: int) -> str | None:
        """Return the text that the encoder reads of a row."""
        changed = self._changes.get(row)
        if changed is not None:
            return item_text(changed.title, changed.text)
        return item_text(self._columns.titles[row], self._columns.texts[row])

    def all_texts(self) -> Iterator[str | None]:
        """Yield the text that the encoder reads of each row."""
        columns = self._columns
        for row, parts in enumerate(zip(columns.titles, columns.texts, strict=True)):
            yield self.text(row) if row in self._changes else item_text(*parts)
        yield from map(self.text, range(len(columns), len(self)))

    @cached_property
    def hidden_N(self) -> Mask:
        """A mask of the rows that are never recommended."""
        hidden_N = np.zeros(len(self), np.bool_)
        hidden_N[: len(self._columns)] = self._columns.hidden_N
        hidden_N[list(self._changes)] = [item.hidden for item in self._changes.values()]
        return hidden_N

    def with_items(self, items: Iterable[CatalogueItem]) -> tuple[Catalogue, tuple[int, ...]]:
        """Return a catalogue with these items, and the new or changed rows in ascending order.

        Unknown items are appended in the order given, known ones are replaced. An item without a
        title is known only from events and never replaces a record.
        """
        changes, added, changed = dict(self._changes), dict(self._added_rows), set[int]()
        num_items = len(self)
        for item in items:
            row = self._columns.row(item.item_id)
            row = added.get(item.item_id) if row is None else row
            if row is None:
                row = added[item.item_id] = num_items
                num_items += 1
            elif item.title is None or item == (changes.get(row) or self._columns[row]):
                continue
            changes[row] = item
            changed.add(row)
        if not changed:
            return self, ()
        catalogue = Catalogue._of(self._columns, self._file, changes)
        if len(changes) > MAX_CHANGED_SHARE * num_items:
            catalogue = Catalogue(catalogue)
        return catalogue.with_graph(self.graph), tuple(sorted(changed))

    def filter_rows(self, wanted: Mapping[str, Value]) -> Mask:
        """Mark the rows whose attributes match every key of `wanted`; raise UnknownAttribute.

        An attribute matches when it equals the wanted value or is a list that contains it. Of a
        list of wanted values, one match is enough. A number also matches its decimal string, since
        a query string has no numbers. A relation matches like an attribute: its values are the ids
        and names of what it relates to an item. The newest masks are kept, so requests of a batch
        that have the same filter get the same object.
        """
        key = tuple(sorted(wanted.items(), key=itemgetter(0)))
        if key not in self._masks:
            self._masks[key] = self._matching(wanted)
            if len(self._masks) > MASKS_KEPT:
                del self._masks[next(iter(self._masks))]
        return self._masks[key]

    def _matching(self, wanted: Mapping[str, Value]) -> Mask:
        allowed_N = np.ones(len(self), dtype=np.bool_)
        for name, value in wanted.items():
            relation = self.graph.relation(name) if self.graph is not None else None
            if name not in self._attribute_names and relation is None:
                raise UnknownAttribute(name, known=self._filter_names())
            values = set(value) if isinstance(value, tuple) else (value,)
            matching_N = np.zeros(len(self), dtype=np.bool_)
            for one in values:
                matching_N[self._columns.attribute_index.rows(name, one)] = True
            matching_N[self._changed_rows] = False
            for one in values:
                matching_N[self._changed_attributes.rows(name, one)] = True
                if relation is not None:
                    matching_N[self._related_rows(relation, one)] = True
            allowed_N &= matching_N
        return allowed_N

    def _filter_names(self) -> tuple[str, ...]:
        """Return what a filter may name: attributes, then relations, each in order."""
        relations = set(self.graph.relations() if self.graph is not None else ())
        return (*sorted(self._attribute_names), *sorted(relations - self._attribute_names))

    def _related_rows(self, relation: int, value: str | float) -> list[int]:
        """Return the rows of items that a fact of this relation joins with a value."""
        assert self.graph is not None
        text = f"{value:.15g}" if isinstance(value, float) else value
        rows = set[int | None]()
        for entity in self.graph.entities_called(text):
            related = self.graph.entities_related(relation, entity).tolist()
            rows.update(self.row(self.graph.ids_E[one] or "") for one in related)
        return [row for row in rows if row is not None]

    def save(self, folder: Path) -> None:
        """Write columns, changes and facts; files that they came from are linked."""
        if self.graph is not None:
            self.graph.save(folder / GRAPH_FILE)
        if self._file is None or not self._file.exists():
            self._columns.save(folder / COLUMNS_FILE)
        else:
            link_or_copy(self._file, folder / COLUMNS_FILE)
        if self._changes:
            with (folder / CHANGES_FILE).open("w", encoding="utf-8", newline="\n") as file:
                for row in sorted(self._changes):
                    file.write(_to_json(row, self._changes[row]) + "\n")

    @staticmethod
    def load(folder: Path, *, find: Callable[[Path], Path] = Path) -> Catalogue:
        """Read what `save` wrote; raise OSError, or ValueError for what is not valid.

        `find` returns where a file is, if it was moved out of the folder.
        """
        graph_file = find(folder / GRAPH_FILE)
        graph = KnowledgeGraph.map(graph_file) if graph_file.exists() else None
        if (folder / OLD_FILE).exists():
            return Catalogue(item for _, item in _read_lines(folder / OLD_FILE))
        file = find(folder / COLUMNS_FILE)
        columns, changes = CatalogueColumns.map(file), folder / CHANGES_FILE
        changed = dict(_read_lines(changes)) if changes.exists() else {}
        added = sorted(row for row in changed if row >= len(columns))
        if added != list(range(len(columns), len(columns) + len(added))):
            raise ValueError(f"{changes}: the rows after {len(columns) - 1} have gaps")
        return Catalogue._of(columns, file, changed).with_graph(graph)

    @cached_property
    def title_search(self) -> TitleSearch:
        """The search for titles by words; the words of changes are indexed when first needed."""
        changed = WordIndex.build(self._changes[row].title for row in sorted(self._changes))
        return TitleSearch(
            self._columns.word_index, changed, changed_rows=self._changed_rows, num_items=len(self)
        )

    @cached_property
    def _masks(self) -> dict[tuple[tuple[str, Value], ...], Mask]:
        return {}

    @cached_property
    def _kept_names(self) -> dict[int, tuple[str, str | None]]:
        return {}

    @cached_property
    def _kept_attributes(self) -> dict[int, Mapping[str, Value]]:
        return {}

    @cached_property
    def _added_rows(self) -> dict[str, int]:
        added = (row for row in self._changes if row >= len(self._columns))
        return {self._changes[row].item_id: row for row in added}

    @cached_property
    def _changed_rows(self) -> npt.NDArray[np.int64]:
        return np.array(sorted(self._changes), np.int64)

    @cached_property
    def _changed_titles(self) -> dict[str, int]:
        titles: dict[str, int] = {}
        for row in sorted(self._changes):
            title = self._changes[row].title
            if title is not None:
                titles.setdefault(title, row)
        return titles

    @cached_property
    def _changed_attributes(self) -> AttributeIndex:
        rows = sorted(self._changes)
        return AttributeIndex.build((row, self._changes[row].attributes) for row in rows)

    @cached_property
    def _attribute_names(self) -> frozenset[str]:
        names = (*self._columns.attribute_index.names, *self._changed_attributes.names)
        return frozenset(name for name in names if name is not None)


def _to_json(row: int, item: CatalogueItem) -> str:
    values = {
        "row": row,
        "item_id": item.item_id,
        "title": item.title,
        "text": item.text,
        "attributes": {name: item.attributes[name] for name in sorted(item.attributes)},
        "hidden": item.hidden,
    }
    return json.dumps(values, separators=(",", ":"))  # ASCII: a lone surrogate has no UTF-8


def _read_lines(path: Path) -> Iterator[tuple[int, CatalogueItem]]:
    """Yield items by row; a line without a row has the number of the line before it, plus one."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            try:
                values = json.loads(line)
                row = values.pop("row", number)
                values["attributes"] = read_attributes(values["attributes"])
                yield row, CatalogueItem(**values)
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                raise ValueError(
                    f"{path}, line {number + 1}: not a valid catalogue item ({error})"
                ) from error
