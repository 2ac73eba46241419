"""The item side of single rows: held, or in a large catalogue computed when asked for.

A large catalogue's arrays are mapped from files that several releases share. Its vectors in full
precision would be a copy of each release's own, and a batch of requests needs a few thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recommender.network.baseline import Baseline
from recommender.network.model import ItemBlock, ItemFacts, ItemSide, Recommender, terms_of
from recommender.network.tensors import ROWS_AT_ONCE

HELD_ITEMS = 250_000  # 64 MB of vectors at the default width


class ItemRows:
    """The items of a network as its heads see them, by row."""

    def __init__(
        self, model: Recommender, facts: ItemFacts, *, held_items: int = HELD_ITEMS
    ) -> None:
        """Compute the items now if there are at most `held_items`."""
        self._model = model
        no_table_N0 = facts.texts_NT[:, :0]
        self._table_NE = no_table_N0 if isinstance(model, Baseline) else model.table
        self._whole = ItemBlock.whole(facts, self._table_NE, terms_of(model, facts))
        self._held = model.item_side(facts) if len(self) <= held_items else None

    def __len__(self) -> int:
        return len(self._table_NE)

    def at(self, rows_X: Tensor) -> ItemSide:
        """Return some rows, which are distinct and ascending."""
        if self._held is not None:
            return self._held.at(rows_X)
        facts = self._whole.facts.at(rows_X)
        return self._model.block_side(
            replace(self._whole, facts=facts, table_XE=self._table_NE[rows_X])
        )

    def among(self, rows: Tensor) -> tuple[ItemSide, Tensor]:
        """Return items with all of some rows, and the place of each row among these items.

        Where all items are held, they are returned as they are: that takes no time.
        """
        if self._held is not None:
            return self._held, rows
        rows_X, places = distinct(rows)
        return self.at(rows_X), places

    def parts(self) -> Iterator[ItemSide]:
        """Yield all rows in order, some at a time."""
        if self._held is not None:
            yield self._held
            return
        whole = self._whole
        for block in ItemBlock.parts(
            whole.facts, self._table_NE, whole.terms_YW, at_once=ROWS_AT_ONCE
        ):
            yield self._model.block_side(block)

    @torch.inference_mode()
    def arrays(self, type_: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the vectors_ND in a precision, and bias_N."""
        bias_N = torch.empty(len(self))
        vectors_ND, start = torch.empty(0, 0, dtype=type_), 0
        for side in self.parts():
            stop = start + len(side.bias_N)
            if not start:
                vectors_ND = torch.empty(len(self), side.vectors_ND.shape[1], dtype=type_)
            vectors_ND[start:stop], bias_N[start:stop] = side.vectors_ND, side.bias_N
            start = stop
        return vectors_ND, bias_N


def distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows_X, ascending, and the place of each row among them."""
    rows_X, places = np.unique(rows.numpy(), return_inverse=True)
    return torch.from_numpy(rows_X), torch.from_numpy(places.reshape(rows.shape))


def multiplies_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 in hardware; others emulate it slowly."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
