"""The arrays that a network takes and passes on: item facts, items, histories.

Letters are those of `recommender.network.model`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from recommender.network.links import Links

# The item tower needs a kilobyte or two a row while it computes.
ROWS_AT_ONCE = 65_536
EVENT_TYPES = ("other", "rating", "view", "click", "purchase")
VECTORS = frozenset(
    {"texts_NT", "modalities_NV"}
)  # unit vectors; files have them in half precision
_TYPE_CODES = {name: code for code, name in enumerate(EVENT_TYPES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """What is known about the items without training: unit text vectors and counts so far.

    The unit vectors of other modalities are side by side, in the order of the network's slots; an
    item that has none of a modality has zeros. `links` are the items' facts, and `neighbours` those
    of the terms, by row of the table of terms.
    """

    texts_NT: Tensor  # in half precision where they are mapped from a file
    has_text_N: Tensor
    counts_N: Tensor
    rating_sum_N: Tensor  # of (rating − mean rating)
    rating_count_N: Tensor

    modalities_NV: Tensor | None = None  # in half precision where they are mapped from a file
    links: Links | None = None
    neighbours: Links | None = None

    def at(self, rows_X: Tensor) -> ItemFacts:
        """Return the facts of some rows, which are distinct and ascending, in full precision."""
        links = self.links
        if links is not None and len(rows_X) < len(links):
            links = links.at(rows_X)
        return self._with({name: rows_at(one, rows_X) for name, one in self.by_item()}, links)

    def between(self, rows: slice) -> ItemFacts:
        """Return the facts of a range of rows, in full precision."""
        links = self.links.between(rows) if self.links is not None else None
        return self._with({name: one[rows] for name, one in self.by_item()}, links)

    def with_more_items(self, num_new: int) -> ItemFacts:
        """Return a copy with items of which nothing is known."""
        longer: dict[str, Any] = {
            name: torch.cat([one, one.new_zeros(num_new, *one.shape[1:])])
            for name, one in self.by_item()
        }
        links = self.links.with_more_rows(num_new) if self.links is not None else None
        return replace(self, links=links, **longer)

    def by_item(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the names and values of the tensors that have a row for each item."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                yield field.name, value

    def _with(self, tensors: dict[str, Tensor], links: Links | None) -> ItemFacts:
        values: dict[str, Any] = dict(tensors)
        for name in VECTORS & tensors.keys():
            values[name] = tensors[name].float()
        return replace(self, links=links, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBlock:
    """Some items of a catalogue, or all of them: the input of the item tower.

    Where `known_X` (1 or 0) is 0, the item is treated as brand new.
    """

    facts: ItemFacts
    table_XE: Tensor
    mean_count: Tensor  # interactions per item, over the whole catalogue
    known_X: Tensor | None = None
    terms_YW: Tensor | None = None  # the terms that the facts name; None: those of the network
    kept_XS: Tensor | None = None  # 0 where a training step leaves out the text or a slot's vector

    @classmethod
    def whole(cls, facts: ItemFacts, table_NE: Tensor, terms_YW: Tensor | None = None) -> ItemBlock:
        """Return the whole catalogue as a block."""
        mean_count = facts.counts_N.mean()
        return cls(facts=facts, table_XE=table_NE, mean_count=mean_count, terms_YW=terms_YW)

    @classmethod
    def parts(
        cls,
        facts: ItemFacts,
        table_NE: Tensor,
        terms_YW: Tensor | None = None,
        *,
        at_once: int,
    ) -> Iterator[ItemBlock]:
        """Yield the whole catalogue as blocks of at most `at_once` rows, in order."""
        whole = cls.whole(facts, table_NE, terms_YW)
        for start in range(0, max(len(table_NE), 1), at_once):
            rows = slice(start, start + at_once)
            yield replace(whole, facts=facts.between(rows), table_XE=table_NE[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSide:
    """The items as the heads see them. Free texts may follow the catalogue's rows."""

    vectors_ND: Tensor
    bias_N: Tensor
    rating_bias_N: Tensor

    def at(self, rows_X: Tensor) -> ItemSide:
        """Return some rows, in the given order."""
        return ItemSide(
            vectors_ND=self.vectors_ND.index_select(0, rows_X),  # a tenth of the time of [rows_X]
            bias_N=self.bias_N[rows_X],
            rating_bias_N=self.rating_bias_N[rows_X],
        )

    @classmethod
    def concat_parts(cls, parts: Iterator[ItemSide], num_items: int) -> ItemSide:
        """Return the parts of a catalogue of `num_items`, which follow one another, as one.

        Each is copied to its place when it is made, so that no part is held twice.
        """
        part = next(parts)
        if len(part.bias_N) == num_items:
            return part
        names = [field.name for field in fields(cls)]
        tensors = {name: getattr(part, name) for name in names}
        whole = {name: one.new_empty(num_items, *one.shape[1:]) for name, one in tensors.items()}
        start = 0
        for one in itertools.chain([part], parts):
            stop = start + len(one.bias_N)
            for name in names:
                whole[name][start:stop] = getattr(one, name)
            start = stop
        return cls(**whole)

    def concat(self, more: ItemSide) -> ItemSide:
        """Return these rows followed by others, for histories that contain both."""
        return ItemSide(
            vectors_ND=torch.cat([self.vectors_ND, more.vectors_ND]),
            bias_N=torch.cat([self.bias_N, more.bias_N]),
            rating_bias_N=torch.cat([self.rating_bias_N, more.rating_bias_N]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBatch:
    """Histories padded on the right. `rows_BL` are rows of an ItemSide.

    Unknown ratings and times are NaN. `keys_B` (32-bit numbers) decide what dropout leaves out of
    each history in training; None leaves nothing out.
    """

    rows_BL: Tensor
    types_BL: Tensor
    ratings_BL: Tensor
    at_s_BL: Tensor  # float64
    length_B: Tensor
    keys_B: Tensor | None = None


def rows_at(whole_N: Tensor, rows_X: Tensor) -> Tensor:
    """Return some rows of a tensor, distinct and ascending; no copy when they are all rows."""
    return whole_N if len(rows_X) == len(whole_N) else whole_N.index_select(0, rows_X)


def last_of(value_BSX: Tensor, length_B: Tensor) -> Tensor:
    """Return value_BX of the state after the last event of each history."""
    return value_BSX[torch.arange(len(length_B), device=length_B.device), length_B]


def event_type_code(name: str) -> int:
    """Return the model's number of an event type; an unknown type is `other`."""
    return _TYPE_CODES.get(name, 0)


def event_type_codes(names: Iterable[str]) -> list[int]:
    """Return `event_type_code` of each name."""
    return list(map(_TYPE_CODES.get, names, itertools.repeat(0)))
