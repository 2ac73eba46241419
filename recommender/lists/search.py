"""Search: items by words of their titles and by the meaning of their texts, for one reader.

Up to four lists are blended by reciprocal rank fusion (Cormack et al. 2009). An item's score is

    the sum over the lists of  w / (RANK_OFFSET + the item's rank there)

where the lists are the titles that have words of the question, the texts nearest to it, the
pictures nearest to it if their encoder reads texts, and all of these items in the order in which
the reader would be recommended them. A reader without a history
is a cold user, who is mostly recommended what is popular. In the list of titles equal scores have
one rank. Titles of exactly the words of the question come first: they get EXACT more.
docs/log.md has how the weights were chosen; that of pictures is the texts', and was not searched.

B  readers     N  items     X  found items
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recommender.arrays.best_rows import Rows, best_rows
from recommender.catalogue.title_search import TitleScores
from recommender.lists.resolve import Plan
from recommender.ranking.cosines import text_cosines
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import JsonObject, SearchRequest

TITLES_LISTED, TEXTS_LISTED = 200, 100  # or more if more are asked for
PICTURES_LISTED = 100
MAX_TIED = 20_000  # equal titles among which the reader decides; they take 10 ms and 5 MB
RANK_OFFSET = 10.0
OF_TITLES, OF_TEXTS, OF_PICTURES, OF_READER = 1.0, 0.2, 0.2, 0.2
EXACT = 1.0
DECIMALS = 6

Ranks = npt.NDArray[np.float64]
_NO_ROWS = np.zeros(0, np.int64)


def searches(
    ranker: Ranker, plans: Sequence[Plan], texts_MT: Tensor | None
) -> Iterator[JsonObject]:
    """Yield the answer of each search, best items first."""
    state_BD = ranker.user_states([one.history for one in plans], texts_MT)
    by_pictures = _picture_scores(ranker, plans)
    for reader, one in enumerate(plans):
        assert isinstance(one.request, SearchRequest)
        assert texts_MT is not None
        titles = ranker.catalogue.title_search.scores(one.request.text)
        text_T = texts_MT[one.items[0].text_row]
        found = _FoundRows(
            titles=titles,
            by_title=_best_titles(ranker, one, titles, state_BD[[reader]]),
            by_text=_best(ranker, one, text_cosines(ranker.bundle.facts, text_T=text_T)),
            by_picture=_NO_ROWS,
        )
        if by_pictures:
            pictures = _best(ranker, one, by_pictures[reader], PICTURES_LISTED)
            found = replace(found, by_picture=pictures)
        items = _best_items(ranker, found, state_BD[[reader]], one.request.k)
        yield {"items": items, "resolved": list(one.resolved)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _FoundRows:
    """The rows of each list, best first."""

    titles: TitleScores
    by_title: Rows
    by_text: Rows
    by_picture: Rows

    def match(self, row: int) -> str:
        """Return how an item was found."""
        if self.titles.is_exact_N[row]:
            return "exact"
        if not np.isnan(self.titles.score_N[row]):
            return "title"
        return "text" if row in self.by_text else "picture"


def _picture_scores(ranker: Ranker, plans: Sequence[Plan]) -> list[Tensor]:
    """Return the cosine_N of pictures with each search; none if texts do not find pictures."""
    pictures = ranker.pictures
    if pictures is None or not pictures.reads_texts:
        return []
    texts = [one.request.text for one in plans if isinstance(one.request, SearchRequest)]
    return [pictures.cosines_with_text(text_P) for text_P in pictures.text_vectors(texts)]


def _best_items(ranker: Ranker, found: _FoundRows, state_1D: Tensor, k: int) -> list[JsonObject]:
    rows_X = np.unique(np.concatenate([found.by_title, found.by_text, found.by_picture]))
    by_reader, _ = ranker.best_of(rows_X, state_1D, len(rows_X))
    tied = _tied_ranks(found.titles, found.by_title)
    score_X = OF_TITLES / (RANK_OFFSET + _ranks_at(rows_X, found.by_title, tied))
    for weight, listed in (
        (OF_TEXTS, found.by_text),
        (OF_PICTURES, found.by_picture),
        (OF_READER, by_reader),
    ):
        ranks = np.arange(1.0, len(listed) + 1)
        score_X += weight / (RANK_OFFSET + _ranks_at(rows_X, listed, ranks))
    score_X += EXACT * found.titles.is_exact_N[rows_X]
    places, scores = best_rows(score_X.astype(np.float32), k)
    items: list[JsonObject] = []
    for row, score in zip(rows_X[places].tolist(), scores.tolist(), strict=True):
        item_id, title = ranker.catalogue.name(row)
        match, rounded = found.match(row), round(score, DECIMALS)
        items.append({"id": item_id, "title": title, "score": rounded, "match": match})
    return items


def _best_titles(ranker: Ranker, one: Plan, titles: TitleScores, state_1D: Tensor) -> Rows:
    """Return the best titles, best first; the reader decides which of the last equal ones.

    A common word is in thousands of equal titles, and the lowest rows are the oldest items.
    """
    found = _best(ranker, one, torch.from_numpy(titles.score_N), TITLES_LISTED)
    if len(found) < TITLES_LISTED:
        return found
    last = titles.score_N[found[-1]]
    is_tied_N = torch.from_numpy(titles.score_N == last)
    tied = _best(ranker, one, torch.where(is_tied_N, 1.0, torch.nan), MAX_TIED)
    num_higher = int(np.count_nonzero(titles.score_N[found] > last))
    chosen, _ = ranker.best_of(tied, state_1D, len(found) - num_higher)
    return np.concatenate([found[:num_higher], chosen])


def _best(ranker: Ranker, one: Plan, score_N: Tensor, listed: int = TEXTS_LISTED) -> Rows:
    """Return the best of the rows that may be found, best first."""
    assert isinstance(one.request, SearchRequest)
    num = max(listed, one.request.k)
    found, _ = ranker.top_k(score_N.unsqueeze(0), [num], [one.allowed_N], [one.excluded_rows])[0]
    return found


def _tied_ranks(titles: TitleScores, by_title: Rows) -> Ranks:
    """Return the rank of each listed title: 1 and the number of titles with a higher score."""
    score_K = titles.score_N[by_title]
    num_higher_K = np.searchsorted(-score_K, -score_K, side="left")
    return num_higher_K.astype(np.float64) + 1.0


def _ranks_at(rows_X: Rows, listed: Rows, rank_K: Ranks) -> Ranks:
    """Return the ranks of some rows, which are ascending; those not listed are infinite."""
    rank_X = np.full(len(rows_X), np.inf)
    rank_X[np.searchsorted(rows_X, listed)] = rank_K
    return rank_X
