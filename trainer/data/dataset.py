"""Read a snapshot folder (docs/architecture.md): manifest, events in columns, items.

E counts events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.catalogue import Catalogue
from recommender.config import IMPRESSION, Signals
from recommender.item_columns import CatalogueItem, read_attributes
from trainer.config import Mode
from trainer.data.positives import mark_positive

FORMAT = 2

_ORDER = ("user_id", "at_us", "event_id")
_NAMES = ["user_id", "item_id", "type", "role"]  # few distinct values: read as a dictionary
_COLUMNS = [*_NAMES, "seq", "at_us", "rating", "is_first", "is_first_rating"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
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

    `user_E`, `item_E`, `type_E` and `role_E` are indices into the tuples of names.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    types: tuple[str, ...]
    roles: tuple[str, ...]
    seq_E: Ints
    user_E: Ints
    item_E: Ints
    type_E: Ints
    role_E: Ints
    rating_E: Floats  # NaN where there is none
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

    def rows(self, catalogue: Catalogue) -> Ints:
        """Return each event's row in a catalogue; −1 where the catalogue lacks the item."""
        table = np.full(len(self.items), -1, np.int64)
        for number, item_id in enumerate(self.items):
            row = catalogue.row(item_id)
            if row is not None:
                table[number] = row
        return table[self.item_E] if len(table) else np.zeros(0, dtype=np.int64)

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
    """Read one of the event files; raise SnapshotError.

    Events in another order are sorted, because everything depends on their order.
    """
    try:
        table = pq.read_table(path, columns=_COLUMNS, read_dictionary=_NAMES).unify_dictionaries()
        if not _is_in_order(table, path):
            table = pq.read_table(path).sort_by([(name, "ascending") for name in _ORDER])
        users, user_E = _dictionary(table, "user_id")
        items, item_E = _dictionary(table, "item_id")
        types, type_E = _dictionary(table, "type")
        roles, role_E = _dictionary(table, "role")
        rating_E = table["rating"].cast(pa.float64()).to_numpy(zero_copy_only=False)
        seq_E, at_us_E = (table[name].to_numpy() for name in ("seq", "at_us"))
        first_E, first_rating_E = (
            table[name].to_numpy() for name in ("is_first", "is_first_rating")
        )
    except (OSError, pa.ArrowException, KeyError) as error:
        raise SnapshotError(f"{path}: not a valid event file of a snapshot ({error})") from error
    return EventTable(
        users=users,
        items=items,
        types=types,
        roles=roles,
        seq_E=seq_E.astype(np.int64),
        user_E=user_E,
        item_E=item_E,
        type_E=type_E,
        role_E=role_E,
        rating_E=np.where(np.isfinite(rating_E), rating_E, np.nan),
        at_s_E=at_us_E / 1e6,
        first_E=first_E,
        first_rating_E=first_rating_E,
    )


def read_items(path: Path) -> list[CatalogueItem]:
    """Read the items file, in file order; raise SnapshotError."""
    try:
        lines = (
            pq.read_table(path)
            .select(["item_id", "title", "text", "attributes", "hidden"])
            .to_pylist()
        )
        return [
            CatalogueItem(
                **{**line, "attributes": read_attributes(json.loads(line["attributes"] or "{}"))}
            )
            for line in lines
        ]
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SnapshotError(f"{path}: not a valid items file of a snapshot ({error})") from error


def event_items(events: EventTable) -> list[CatalogueItem]:
    """Return the items that events name, by first appearance in the journal.

    Only the id is set: that is all we know of an item without a record.
    """
    first_seq = np.full(len(events.items), np.iinfo(np.int64).max)
    np.minimum.at(first_seq, events.item_E, events.seq_E)
    return [
        CatalogueItem(item_id=events.items[number])
        for number in np.argsort(first_seq, kind="stable")
    ]


def _is_in_order(table: pa.Table, path: Path) -> bool:
    """Return whether the rows are in `_ORDER`; to check takes less time than to sort.

    Event ids are read only where events of a user have the same time.
    """
    users, user_E = _dictionary(table, "user_id")
    at_us_E = table["at_us"].to_numpy()
    user_steps, time_steps = np.diff(user_E), np.diff(at_us_E)
    is_same_user = user_steps == 0
    if list(users) != sorted(users) or (user_steps < 0).any():
        return False
    if (time_steps[is_same_user] < 0).any():
        return False
    tied = np.flatnonzero(is_same_user & (time_steps == 0))
    if not len(tied):
        return True
    event_ids = pq.read_table(path, columns=["event_id"])["event_id"]
    return bool(pc.all(pc.less_equal(event_ids.take(tied), event_ids.take(tied + 1))).as_py())


def _dictionary(table: pa.Table, name: str) -> tuple[tuple[str, ...], Ints]:
    column = table[name]
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    codes = column.unify_dictionaries().combine_chunks()
    return tuple(codes.dictionary.to_pylist()), codes.indices.to_numpy(zero_copy_only=False).astype(
        np.int64
    )
