"""Read a snapshot folder (docs/architecture.md): manifest, events in columns, items.

E counts events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem, read_attributes
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.config import IMPRESSION, Signals
from trainer.config import Mode
from trainer.data.event_file import EventFile, EventRows
from trainer.data.fact_table import graph_of_table
from trainer.data.graph_changes import HeadFacts
from trainer.data.positives import mark_positive

FORMAT = 2

_ORDER = ("user_id", "at_us", "event_id")
_FACT_COLUMNS = ("head", "relation", "tail")
_ITEM_COLUMNS = ["item_id", "title", "text", "attributes", "hidden"]
_ITEMS_AT_ONCE = 8_192

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]


class SnapshotError(ValueError):
    """A file of the snapshot can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotManifest:
    """The fields of `manifest.json` that the trainer uses."""

    mode: Mode
    data_digest: str
    num_targets: int
    num_replay: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class EventTable:
    """Events in columns, sorted by user, time and event id.

    `user_E`, `item_E`, `type_E` and `role_E` are indices into the tuples of names. The arrays are
    as small as they can be: an event takes 33 bytes.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    types: tuple[str, ...]
    roles: tuple[str, ...]
    seq_E: Ints
    user_E: Numbers
    item_E: Numbers
    type_E: Numbers
    role_E: Numbers
    rating_E: Singles  # NaN where there is none
    at_s_E: Floats
    first_E: Flags  # the user's first event with this item
    first_rating_E: Flags  # the user's first rating of this item

    def __len__(self) -> int:
        return len(self.seq_E)

    @cached_property
    def impression_E(self) -> Flags:
        """Mark impressions, which are never part of a history."""
        return self.type_is((IMPRESSION,))

    def type_is(self, names: tuple[str, ...]) -> Flags:
        """Mark the events of these types."""
        return np.isin(
            self.type_E, [number for number, name in enumerate(self.types) if name in names]
        )

    def attracts(self, signals: Signals) -> Flags:
        """Mark the events that the model reads as history."""
        rated_E = ~np.isnan(self.rating_E)
        always = [signals.attracts(name, is_rated=False) for name in self.types] or [False]
        with_rating = [signals.attracts(name, is_rated=True) for name in self.types] or [False]
        read_E: Flags = np.where(
            rated_E, np.array(with_rating)[self.type_E], np.array(always)[self.type_E]
        )
        return read_E

    def role_is(self, *names: str) -> Flags:
        """Mark the events in these roles."""
        return np.isin(
            self.role_E, [number for number, name in enumerate(self.roles) if name in names]
        )

    def rows(self, catalogue: Catalogue) -> Numbers:
        """Return each event's row in a catalogue; −1 where the catalogue lacks the item."""
        table = np.full(len(self.items), -1, np.int32)
        for number, item_id in enumerate(self.items):
            row = catalogue.row(item_id)
            if row is not None:
                table[number] = row
        return table[self.item_E] if len(table) else np.zeros(0, dtype=np.int32)

    def within(self, scale: tuple[float, float] | None) -> EventTable:
        """Return the events with ratings clipped to a scale, as the endpoint does."""
        return self if scale is None else replace(self, rating_E=self.rating_E.clip(*scale))

    @cached_property
    def user_starts(self) -> Ints:
        """Return for each event the index of its user's first event."""
        first = np.ones(len(self), dtype=np.bool_)
        first[1:] = self.user_E[1:] != self.user_E[:-1]
        return (
            np.maximum.accumulate(np.where(first, np.arange(len(self)), 0))
            if len(self)
            else np.zeros(0, dtype=np.int64)
        )


def positive_events(events: EventTable, *, types: tuple[str, ...], rating: float | None) -> Flags:
    """Mark what users chose: events of a positive type, not rated below the threshold if any."""
    return mark_positive(
        events.types, events.type_E, events.rating_E, positive_types=types, positive_rating=rating
    )


def read_manifest(snapshot: Path) -> SnapshotManifest:
    """Read the manifest; raise SnapshotError."""
    path = snapshot / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise SnapshotError(f"{path}: expected format {FORMAT}, found {raw['format']}")
        return SnapshotManifest(
            **{name: raw[name] for name in SnapshotManifest.__dataclass_fields__}
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise SnapshotError(f"{path}: not a valid manifest of a snapshot ({error!r})") from error


def read_events(path: Path) -> EventTable:
    """Read one of the event files, one column at a time; raise SnapshotError.

    Events in another order are sorted, because everything depends on their order.
    """
    with _naming(str(path)):
        return _events_of(EventFile.local(path).rows())


def read_share(file: EventFile, rank: int, num_ranks: int) -> EventTable:
    """Read the shards of a rank as `read_events` reads a file; raise SnapshotError.

    Together the ranks read all events, and their users in order.
    """
    with _naming(file.path):
        return _events_of(file.share(rank, num_ranks))


@contextmanager
def _naming(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, KeyError) as error:
        raise SnapshotError(f"{path}: not a valid event file of a snapshot ({error})") from error


def _events_of(rows: EventRows) -> EventTable:
    read = rows.column
    if not _is_in_order(rows):
        read = rows.table().sort_by([(name, "ascending") for name in _ORDER]).column
    users, user_E = _dictionary(read("user_id"))
    items, item_E = _dictionary(read("item_id"))
    types, type_E = _dictionary(read("type"))
    roles, role_E = _dictionary(read("role"))
    rating_E = read("rating").cast(pa.float32()).to_numpy()
    return EventTable(
        users=users,
        items=items,
        types=types,
        roles=roles,
        seq_E=read("seq").to_numpy().astype(np.int64, copy=False),
        user_E=user_E,
        item_E=item_E,
        type_E=_smallest(type_E, types),
        role_E=_smallest(role_E, roles),
        rating_E=np.where(np.isfinite(rating_E), rating_E, np.float32(np.nan)),
        at_s_E=read("at_us").to_numpy() / 1e6,
        first_E=read("is_first").to_numpy(),
        first_rating_E=read("is_first_rating").to_numpy(),
    )


def read_items(path: Path) -> Iterator[CatalogueItem]:
    """Yield the items of a file, in file order; raise SnapshotError."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ITEMS_AT_ONCE, columns=_ITEM_COLUMNS):
                yield from _items_of(batch)
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SnapshotError(f"{path}: not a valid items file of a snapshot ({error})") from error


def read_facts(path: Path) -> KnowledgeGraph | None:
    """Return the facts of a file; None if there is no such file. Raise SnapshotError."""
    if not path.exists():
        return None
    try:
        return graph_of_table(pq.read_table(path, columns=list(_FACT_COLUMNS)))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SnapshotError(f"{path}: not a valid file of facts of a snapshot ({error})") from error


def read_changed_facts(path: Path) -> HeadFacts | None:
    """Return what is known of some heads; None if there is no such file. Raise SnapshotError."""
    if not path.exists():
        return None
    try:
        return HeadFacts.of_table(pq.read_table(path))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SnapshotError(f"{path}: not a valid file of facts of a snapshot ({error})") from error


def _items_of(batch: pa.RecordBatch) -> Iterator[CatalogueItem]:
    for line in batch.select(_ITEM_COLUMNS).to_pylist():
        attributes = read_attributes(json.loads(line.pop("attributes") or "{}"))
        yield CatalogueItem(**line, attributes=attributes)


def _is_in_order(rows: EventRows) -> bool:
    """Return whether the rows are in `_ORDER`; to check takes less time than to sort.

    Event ids are read only where events of a user have the same time.
    """
    users, user_E = _dictionary(rows.column("user_id"))
    user_steps = np.diff(user_E)
    if list(users) != sorted(users) or (user_steps < 0).any():
        return False
    time_steps, is_same_user = np.diff(rows.column("at_us").to_numpy()), user_steps == 0
    if (time_steps[is_same_user] < 0).any():
        return False
    tied = np.flatnonzero(is_same_user & (time_steps == 0))
    if not len(tied):
        return True
    event_ids = rows.texts("event_id")
    return bool(pc.all(pc.less_equal(event_ids.take(tied), event_ids.take(tied + 1))).as_py())


def _dictionary(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Numbers]:
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    codes = column.unify_dictionaries().combine_chunks()
    indices: Numbers = codes.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return tuple(codes.dictionary.to_pylist()), indices


def _smallest(indices: Numbers, names: tuple[str, ...]) -> Numbers:
    """Return indices in the smallest type that can hold those of all names."""
    smallest: Numbers = indices.astype(np.min_scalar_type(len(names)))
    return smallest
