"""The one ranker: histories in; scores, ratings and top-k out.

Offline evaluation and the endpoint both use it. Letters are those of `recommender.model`; K answers
for each user.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recommender.best_rows import Rows, Scores, best_rows
from recommender.bundle import Bundle
from recommender.catalogue import Catalogue, Mask
from recommender.encoder import Encoder
from recommender.model import HistoryBatch, ItemSide, event_type_code

USERS_AT_ONCE = 64  # attention over 100 events needs 1.3 MB a user


class HistoryElement(NamedTuple):
    """One action of a user on a row of the catalogue, or on a free text.

    `text_row` is the text's row in the text vectors of the batch. It is a tuple for the reason
    that `recommender.wire.Name` states.
    """

    row: int | None = None
    text_row: int | None = None
    type: str = "other"
    rating: float | None = None
    at_s: float | None = None


class Ranker:
    """Serves one bundle.

    Item vectors are computed once. The encoder is loaded with the first free text.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.catalogue: Catalogue = bundle.catalogue
        self._model = bundle.model.eval()
        with torch.inference_mode():
            self._side = self._model.item_side(bundle.facts)
            self._length_N = self._side.vectors_ND.norm(dim=1).clamp(min=1e-12)
        self._hidden_rows = np.flatnonzero(self.catalogue.hidden_N)
        self._encoder: Encoder | None = bundle.encoder
        counts_N = bundle.counts_N.numpy()
        self._popular = np.argsort(-counts_N, kind="stable")

    @property
    def has_ratings(self) -> bool:
        """Whether the data has ratings; without them `ratings` raises ValueError."""
        return self.bundle.manifest.rating_scale is not None

    @torch.inference_mode()
    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Return whitened vectors_MT of free texts."""
        # Without components no item had a text, so all texts get the same vector.
        if not texts or not self.bundle.whitening.components_RT.any():
            return torch.zeros(len(texts), self.bundle.manifest.model.text_dim)
        if self._encoder is None:
            self._encoder = self.bundle.load_encoder()
        return self.bundle.whitening.apply(self._encoder.encode(texts))

    @torch.inference_mode()
    def user_states(
        self, histories: Sequence[Sequence[HistoryElement]], texts_MT: Tensor | None = None
    ) -> Tensor:
        """Return state_BD after each history, oldest element first; an empty one is a cold user.

        Only the newest `max_history` elements count. It computes what `states_along` does for whole
        histories, up to float32 rounding, and no other states.
        """
        limit = self.bundle.manifest.model.max_history
        recent = [history[-limit:] for history in histories]
        side = self._side_with(texts_MT)
        order = sorted(range(len(recent)), key=lambda index: len(recent[index]))
        state_BD = torch.zeros(len(recent), self._model.state_dim)
        for start in range(0, len(order), USERS_AT_ONCE):
            picked = order[start : start + USERS_AT_ONCE]
            batch = _batch([recent[index] for index in picked], len(self.catalogue))
            state_BD[picked] = self._model.last_states(side, batch)
        return state_BD

    @torch.inference_mode()
    def states_along(
        self,
        histories: Sequence[Sequence[HistoryElement]],
        lengths: Sequence[Sequence[int]],
        texts_MT: Tensor | None = None,
    ) -> Tensor:
        """Return state_BD after the first `length` elements of each history, for all its lengths.

        The states of one history follow one another. No state depends on later elements.
        """
        side = self._side_with(texts_MT)
        order = sorted(range(len(histories)), key=lambda index: len(histories[index]))
        states = [torch.zeros(0, self._model.state_dim)]
        for start in range(0, len(order), USERS_AT_ONCE):
            picked = order[start : start + USERS_AT_ONCE]
            state_BSD = self._model.states(
                side, _batch([histories[index] for index in picked], len(self.catalogue))
            )
            user_B = torch.tensor(
                [user for user, index in enumerate(picked) for _ in lengths[index]],
                dtype=torch.long,
            )
            length_B = torch.tensor(
                [length for index in picked for length in lengths[index]], dtype=torch.long
            )
            states.append(state_BSD[user_B, length_B])
        place_B = torch.tensor(
            [index for index in order for _ in lengths[index]], dtype=torch.long
        ).argsort(stable=True)
        return torch.cat(states)[place_B]

    @torch.inference_mode()
    def scores(self, state_BD: Tensor) -> Tensor:
        """Return ranking scores_BN over the whole catalogue."""
        return self._model.logits(self._side, state_BD)

    @torch.inference_mode()
    def ratings(self, state_BD: Tensor, rows_BK: Tensor) -> Tensor:
        """Return predicted ratings_BK of rows, clamped to the data's scale."""
        return self._clamp_to_scale(self._model.ratings(self._side, state_BD, rows_BK))

    @torch.inference_mode()
    def text_ratings(self, state_BD: Tensor, texts_BKT: Tensor) -> Tensor:
        """Return predicted ratings_BK of free texts, K for each user."""
        num_users, num_texts, width = texts_BKT.shape
        side = self._model.text_side(texts_BKT.reshape(-1, width))
        rows_BK = torch.arange(num_users * num_texts).view(num_users, num_texts)
        return self._clamp_to_scale(self._model.ratings(side, state_BD, rows_BK))

    def top_k(
        self,
        scores_BN: Tensor,
        k: Sequence[int],
        allowed: Sequence[Mask | None],
        excluded_rows: Sequence[Iterable[int]],
    ) -> list[tuple[Rows, Scores]]:
        """Return each user's best rows and their scores, best first.

        Hidden items are left out. Ties go to the lower row. A user with fewer than k items left
        gets fewer.
        """
        answers = []
        for row_N, k_one, mask_N, excluded in zip(
            scores_BN.numpy(), k, allowed, excluded_rows, strict=True
        ):
            score_N = row_N.copy()
            score_N[self._hidden_rows] = np.nan
            score_N[np.fromiter(excluded, dtype=np.int64)] = np.nan
            if mask_N is not None:
                np.putmask(score_N, ~mask_N, np.nan)
            answers.append(best_rows(score_N, k_one))
        return answers

    @torch.inference_mode()
    def similar(
        self, *, row: int | None = None, text_T: Tensor | None = None, k: int
    ) -> tuple[Rows, Scores]:
        """Return the items nearest to a row (without itself) or a free text, with their cosines."""
        if (row is None) == (text_T is None):
            raise ValueError("similar: expected either a row or a text vector")
        if row is not None:
            vector_D = self._side.vectors_ND[row]
        else:
            assert text_T is not None
            vector_D = self._model.text_side(text_T.unsqueeze(0)).vectors_ND[0]
        unit_D = torch.nn.functional.normalize(vector_D, dim=0)
        cosine_N = self._side.vectors_ND @ unit_D / self._length_N
        excluded = () if row is None else (row,)
        return self.top_k(cosine_N.unsqueeze(0), [k], [None], [excluded])[0]

    def popular_rows(self, n: int) -> Rows:
        """Return the n rows with most interactions, ties by lower row, without hidden items."""
        return self._popular[~self.catalogue.hidden_N[self._popular]][:n]

    def _side_with(self, texts_MT: Tensor | None) -> ItemSide:
        """Return the catalogue's rows, followed by free texts if there are any."""
        if texts_MT is None:
            return self._side
        return self._side.concat(self._model.text_side(texts_MT))

    def _clamp_to_scale(self, ratings_BK: Tensor) -> Tensor:
        scale = self.bundle.manifest.rating_scale
        if scale is None:
            raise ValueError("ratings: the training data has no ratings")
        return ratings_BK.clamp(*scale)


def _batch(histories: Sequence[Sequence[HistoryElement]], num_items: int) -> HistoryBatch:
    """Return histories as arrays; a free text's row follows the catalogue's."""
    length_B = np.array([len(history) for history in histories], dtype=np.int64)
    filled_BL = np.arange(length_B.max(initial=0)) < length_B[:, np.newaxis]
    rows_BL, types_BL = np.zeros(filled_BL.shape, np.int64), np.zeros(filled_BL.shape, np.int64)
    ratings_BL = np.full(filled_BL.shape, math.nan, dtype=np.float32)
    at_s_BL = np.full(filled_BL.shape, math.nan)
    if filled_BL.any():
        rows, text_rows, types, ratings, at_s = zip(*chain.from_iterable(histories), strict=True)
        if None in rows:
            rows = tuple(map(_place, rows, text_rows, repeat(num_items)))
        rows_BL[filled_BL] = rows
        types_BL[filled_BL] = list(map(event_type_code, types))
        # numpy converts None to NaN
        ratings_BL[filled_BL] = np.array(ratings, np.float32)
        at_s_BL[filled_BL] = np.array(at_s, np.float64)
    return HistoryBatch(
        rows_BL=torch.from_numpy(rows_BL),
        types_BL=torch.from_numpy(types_BL),
        ratings_BL=torch.from_numpy(ratings_BL),
        at_s_BL=torch.from_numpy(at_s_BL),
        length_B=torch.from_numpy(length_B),
    )


def _place(row: int | None, text_row: int | None, num_items: int) -> int:
    if row is not None:
        return row
    if text_row is None:
        raise ValueError("a history element needs a row or a text_row")
    return num_items + text_row
