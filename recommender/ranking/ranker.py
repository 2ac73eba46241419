"""The one ranker: histories in; scores, ratings and top-k out.

Offline evaluation and the endpoint both use it. Letters are those of `recommender.network.model`;
K answers for each user.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from recommender.arrays.best_rows import Rows, Scores, best_rows
from recommender.bundle import Bundle
from recommender.catalogue.catalogue import Catalogue, Mask
from recommender.encoder.encoder import Encoder
from recommender.machine_memory import release_freed
from recommender.network.model import HistoryBatch, ItemSide, event_type_codes
from recommender.policies.kept_posteriors import KeptPosteriors
from recommender.ranking.cosines import cosines_at, text_cosines, vector_lengths
from recommender.ranking.history_columns import AnyHistory, HistoryColumns
from recommender.ranking.item_rows import HELD_ITEMS, ItemRows, distinct, multiplies_bfloat16
from recommender.ranking.like_lengths import groups_of_like_lengths
from recommender.ranking.picture_search import picture_search
from recommender.requests.wire import Similarity
from recommender.retrieval.cell_scan import CellScan
from recommender.retrieval.scan import NO_ROW, Scan

USERS_AT_ONCE = 64  # attention over 100 events needs 1.3 MB a user
# From here on lists come from a scan; with fewer items all scores of a user take less time.
SCANNED_ITEMS = 20_000


class Ranker:
    """Serves one bundle.

    The encoder is loaded with the first free text.
    """

    def __init__(
        self, bundle: Bundle, *, scanned_items: int = SCANNED_ITEMS, held_items: int = HELD_ITEMS
    ) -> None:
        """Prepare a bundle; a test can set the sizes from which a catalogue is large."""
        self.bundle = bundle
        self.posteriors = KeptPosteriors()
        self.catalogue: Catalogue = bundle.catalogue
        self._model = bundle.model.eval()
        with torch.inference_mode():
            self._items = ItemRows(self._model, bundle.facts, held_items=held_items)
        self.is_scanned = bundle.cells is not None or len(self.catalogue) >= scanned_items
        self._hidden_rows = np.flatnonzero(self.catalogue.hidden_N)
        self._encoder: Encoder | None = bundle.encoder
        self.pictures = picture_search(bundle)

    @property
    def has_ratings(self) -> bool:
        """Whether the data has ratings; without them `ratings` raises ValueError."""
        return self.bundle.manifest.rating_scale is not None

    @property
    def rating_mean(self) -> float:
        """The mean rating of the training data; 0 without ratings."""
        return float(self._model.rating_mean)

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
        self, histories: Sequence[AnyHistory], texts_MT: Tensor | None = None
    ) -> Tensor:
        """Return state_BD after each history, oldest element first; an empty one is a cold user.

        Only the newest `max_history` elements count. It computes what `states_along` does for whole
        histories, up to float32 rounding, and no other states.
        """
        limit = self.bundle.manifest.model.max_history
        recent = [one.newest(limit) for one in self.columns(histories)]
        groups = list(groups_of_like_lengths(list(map(len, recent)), USERS_AT_ONCE))
        if len(groups) == 1:
            return self._model.last_states(*self._read(recent, texts_MT))
        state_BD = torch.zeros(len(recent), self._model.state_dim)
        for users in groups:
            side, batch = self._read([recent[user] for user in users], texts_MT)
            state_BD[users] = self._model.last_states(side, batch)
        return state_BD

    @torch.inference_mode()
    def states_along(
        self,
        histories: Sequence[AnyHistory],
        lengths: Sequence[Sequence[int]],
        texts_MT: Tensor | None = None,
    ) -> Tensor:
        """Return state_BD after the first `length` elements of each history, for all its lengths.

        The states of one history follow one another. No state depends on later elements.
        """
        columns = self.columns(histories)
        order = sorted(range(len(columns)), key=lambda index: len(columns[index]))
        states = [torch.zeros(0, self._model.state_dim)]
        for start in range(0, len(order), USERS_AT_ONCE):
            picked = order[start : start + USERS_AT_ONCE]
            state_BSD = self._model.states(
                *self._read([columns[index] for index in picked], texts_MT)
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
        parts = [self._model.logits(side, state_BD) for side in self._items.parts()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    @torch.inference_mode()
    def ratings(self, state_BD: Tensor, rows_BK: Tensor) -> Tensor:
        """Return predicted ratings_BK of rows, clamped to the data's scale."""
        side, places_BK = self._items.among(rows_BK)
        return self._clamp_to_scale(self._model.ratings(side, state_BD, places_BK))

    @torch.inference_mode()
    def text_ratings(self, state_BD: Tensor, texts_BKT: Tensor) -> Tensor:
        """Return predicted ratings_BK of free texts, K for each user."""
        num_users, num_texts, width = texts_BKT.shape
        side = self._model.text_side(texts_BKT.reshape(-1, width))
        rows_BK = torch.arange(num_users * num_texts).view(num_users, num_texts)
        return self._clamp_to_scale(self._model.ratings(side, state_BD, rows_BK))

    @torch.inference_mode()
    def top_lists(
        self,
        state_BD: Tensor,
        k: Sequence[int],
        allowed: Sequence[Mask | None],
        excluded_rows: Sequence[Iterable[int]],
    ) -> list[tuple[Rows, Scores]]:
        """Return the best rows of each state and their scores, best first, as `top_k` does.

        In a large catalogue a scan finds more rows than asked for, and their exact scores decide.
        A scan of cells may miss some of the best.
        """
        if not self.is_scanned:
            return self.top_k(self.scores(state_BD), k, allowed, excluded_rows)
        found_BK = self.scan.best(
            self._model.queries(state_BD), _num_found(max(k, default=0)), allowed, excluded_rows
        )
        rows_X, places_BK = distinct(found_BK.clamp(min=0))
        scores_BX = self._model.logits(self._items.at(rows_X), state_BD)
        scores_BK = scores_BX.gather(1, places_BK).masked_fill(found_BK == NO_ROW, math.nan)
        lists = []
        for row_K, score_K, k_one in zip(found_BK.numpy(), scores_BK.numpy(), k, strict=True):
            places, scores = best_rows(score_K, k_one)
            lists.append((row_K[places], scores))
        return lists

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
    def best_of(self, rows_X: Rows, state_1D: Tensor, k: int) -> tuple[Rows, Scores]:
        """Return the best of some rows and their scores, best first, as `top_k` does.

        The rows are distinct and ascending. All of them are scored exactly.
        """
        rows_X = rows_X[~self.catalogue.hidden_N[rows_X]]
        scores_1X = self._model.logits(self._items.at(torch.from_numpy(rows_X)), state_1D)
        places, scores = best_rows(scores_1X[0].numpy(), k)
        return rows_X[places], scores

    @torch.inference_mode()
    def lean(self, state_BD: Tensor, vectors_BD: Tensor, weight_B: Tensor) -> Tensor:
        """Return states that also score an item by its product with a vector of the state's own.

        The vector is scaled to the weight over the mean length of the items' vectors, so an item
        of that length gets its cosine times the weight.
        """
        scale_B1 = (weight_B / self._length_N.mean()).unsqueeze(1)
        return self._model.add_to_queries(
            state_BD, torch.nn.functional.normalize(vectors_BD, dim=1) * scale_B1
        )

    @torch.inference_mode()
    def vectors(self, rows_X: Tensor) -> Tensor:
        """Return the vectors_XD of some rows, which are distinct and ascending."""
        return self._items.at(rows_X).vectors_ND

    @torch.inference_mode()
    def vectors_of_texts(self, texts_MT: Tensor) -> Tensor:
        """Return the vectors_MD of free texts, in the space of the items' vectors."""
        return self._model.text_side(texts_MT).vectors_ND

    @torch.inference_mode()
    def similar(
        self,
        *,
        row: int | None = None,
        text_T: Tensor | None = None,
        k: int,
        by: Similarity = "taste",
        allowed_N: Mask | None = None,
    ) -> tuple[Rows, Scores]:
        """Return the items nearest to a row (without itself) or a free text, with their cosines.

        By text, items without a text are left out, and nothing is near to a row without one. By
        both, it is the mean of the two cosines, and without a text that of texts is 0.
        """
        if (row is None) == (text_T is None):
            raise ValueError("similar: expected either a row or a text vector")
        excluded, text_N = () if row is None else (row,), None
        if by != "taste":
            text_N = text_cosines(self.bundle.facts, row=row, text_T=text_T)
            if by == "text":
                return self.top_k(text_N.unsqueeze(0), [k], [allowed_N], [excluded])[0]
            text_N = text_N.nan_to_num(nan=0.0)
        unit_D = torch.nn.functional.normalize(self._vector(row, text_T), dim=0)
        nearly_N = self._cosines(unit_D)
        if text_N is not None:
            nearly_N = (nearly_N + text_N) / 2
        nearly_1N = nearly_N.unsqueeze(0)
        found, _ = self.top_k(nearly_1N, [_num_found(k)], [allowed_N], [excluded])[0]
        found.sort()
        cosine_X = cosines_at(self._items, found, unit_D)
        if text_N is not None:
            cosine_X = (cosine_X + text_N[torch.from_numpy(found)]) / 2
        places, cosines = best_rows(cosine_X.numpy(), k)
        return found[places], cosines

    def popular_rows(self, n: int, excluded_rows: Iterable[int] = ()) -> Rows:
        """Return the n rows with most interactions, ties by lower row, without hidden items."""
        excluded = set(excluded_rows)
        first = self._popular[: n + len(excluded)].tolist()  # few: a set is faster than np.isin
        return np.array([row for row in first if row not in excluded][:n], np.int64)

    def _vector(self, row: int | None, text_T: Tensor | None) -> Tensor:
        """Return vector_D of a row or a free text."""
        if text_T is not None:
            return self._model.text_side(text_T.unsqueeze(0)).vectors_ND[0]
        return self._items.at(torch.tensor([row])).vectors_ND[0]

    @cached_property
    def _popular(self) -> Rows:
        """All rows but hidden ones, the most popular first."""
        rows = np.argsort(-self.bundle.counts_N.numpy(), kind="stable")
        return rows[~self.catalogue.hidden_N[rows]]

    @cached_property
    def scan(self) -> Scan | CellScan:
        """The vectors in the precision that lists are found by, made when first needed."""
        type_ = torch.bfloat16 if multiplies_bfloat16() else torch.float32
        vectors_ND, bias_N = self._items.arrays(type_)
        hidden, cells = self._hidden_rows, self.bundle.cells
        scan: Scan | CellScan
        if cells is None:
            scan = Scan(vectors_ND, bias_N, hidden)
        else:
            scan = CellScan(vectors_ND, bias_N, hidden, cells)
        del vectors_ND
        release_freed()  # several times the memory that is kept
        return scan

    def _cosines(self, unit_D: Tensor) -> Tensor:
        """Return the cosine of each item's vector with a unit vector; nearly, where scanned."""
        if self.is_scanned:
            return self.scan.products(unit_D) / self._length_N
        return (
            torch.cat([side.vectors_ND @ unit_D for side in self._items.parts()]) / self._length_N
        )

    @cached_property
    def _length_N(self) -> Tensor:
        return vector_lengths(self._items)

    def columns(self, histories: Sequence[AnyHistory]) -> list[HistoryColumns]:
        """Return histories as columns, if they are not already."""
        num_items = len(self.catalogue)
        return [HistoryColumns.of(one, num_items) for one in histories]

    def _read(
        self, histories: Sequence[HistoryColumns], texts_MT: Tensor | None
    ) -> tuple[ItemSide, HistoryBatch]:
        """Return the items of some histories, and the histories with places among those items."""
        num_items = len(self.catalogue)
        batch = _batch(histories)
        if texts_MT is None:
            side, places_BL = self._items.among(batch.rows_BL)
            return side, replace(batch, rows_BL=places_BL)
        rows_X, places_BL = distinct(batch.rows_BL)
        is_text_X = rows_X >= num_items
        side = self._items.at(rows_X[~is_text_X])
        side = side.concat(self._model.text_side(texts_MT[rows_X[is_text_X] - num_items]))
        return side, replace(batch, rows_BL=places_BL)

    def _clamp_to_scale(self, ratings_BK: Tensor) -> Tensor:
        scale = self.bundle.manifest.rating_scale
        if scale is None:
            raise ValueError("ratings: the training data has no ratings")
        return ratings_BK.clamp(*scale)


def _num_found(k: int) -> int:
    """Return how many rows of nearly the highest scores have the k highest ones among them.

    docs/log.md has how many are needed.
    """
    return k + 10 + k // 8


def _batch(histories: Sequence[HistoryColumns]) -> HistoryBatch:
    """Return histories as arrays."""
    length_B = np.array([len(history) for history in histories], dtype=np.int64)
    filled_BL = np.arange(length_B.max(initial=0)) < length_B[:, np.newaxis]
    rows_BL, types_BL = np.zeros(filled_BL.shape, np.int64), np.zeros(filled_BL.shape, np.int64)
    ratings_BL = np.full(filled_BL.shape, math.nan, dtype=np.float32)
    at_s_BL = np.full(filled_BL.shape, math.nan)
    rows_BL[filled_BL] = [*chain.from_iterable(one.rows for one in histories)]
    types = chain.from_iterable(one.types for one in histories)
    types_BL[filled_BL] = event_type_codes(types)
    ratings = [*chain.from_iterable(one.ratings for one in histories)]
    at_s = [*chain.from_iterable(one.at_s for one in histories)]
    # numpy converts None to NaN, which takes a while
    if ratings.count(None) < len(ratings):
        ratings_BL[filled_BL] = np.array(ratings, np.float32)
    if at_s.count(None) < len(at_s):
        at_s_BL[filled_BL] = np.array(at_s, np.float64)
    return HistoryBatch(
        rows_BL=torch.from_numpy(rows_BL),
        types_BL=torch.from_numpy(types_BL),
        ratings_BL=torch.from_numpy(ratings_BL),
        at_s_BL=torch.from_numpy(at_s_BL),
        length_B=torch.from_numpy(length_B),
    )
