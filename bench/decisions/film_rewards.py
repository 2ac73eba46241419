"""What the posterior of rewards knows about the film shop, by the code that is served.

The lists of the shop are counted by `cron.posterior.item_sums`, and the posterior is that of
`recommender.policies.posterior`, with the learner's weights of a film as its vector. A known film
counts as if it had been chosen in CLICKED of the impressions that training is worth.

I  films    P  films of the pool    S  shown films
"""

from __future__ import annotations

import numpy as np

from bench.decisions.film_learner import FilmLearner
from bench.decisions.film_shop import Floats, Integers
from cron.posterior.item_sums import ItemSums
from cron.posterior.open_lists import ListImpression, RewardChange
from recommender.policies.posterior import ItemFeatures, ItemPosterior
from recommender.requests.list_policy import ListPolicy
from recommender.requests.reward_evidence import SUMS, RewardEvidence

CLICKED = 80.0  # of the 2,000 impressions that a known film's training is worth
VISITS_A_DAY = 20_000
HALF_LIFE_S = 259_200.0  # the setting's default
_DAY_S = 86_400.0


class FilmRewards:
    """The sums of the films' rewards, and the posterior of the last `learn`."""

    def __init__(self, num_known: int, num_films: int) -> None:
        self._counts_I = np.zeros(num_films)
        self._counts_I[:num_known] = CLICKED
        self._sums = ItemSums(half_life_s=HALF_LIFE_S, at_us=0)
        self._visit = 0
        self._evidence = RewardEvidence()
        self._posterior: ItemPosterior | None = None
        self._features: ItemFeatures | None = None

    def note(self, films_S: Integers, clicks_S: Floats, scores_S: Floats) -> None:
        """Count a list, best first, and the clicks on it."""
        self._visit += 1
        centred_S = scores_S - scores_S.mean()
        for rank, film in enumerate(films_S.tolist(), 1):
            shown = ListImpression(
                item_id=str(film),
                score=float(centred_S[rank - 1]),
                position=float(1 / np.log2(1 + rank)),
                at_us=self._now_us(),
            )
            self._sums.show(shown)
            if clicks_S[rank - 1]:
                self._sums.reward(RewardChange(shown=shown, before=0, after=1))

    def learn(self, learner: FilmLearner) -> None:
        """Compute the posterior from what was noted, with the newest weights of the films."""
        self._sums.fade(self._now_us())
        self._evidence = self._sums.evidence()
        vectors_ID = learner.mean_ID[:, 1:]
        unit_ID = vectors_ID / np.linalg.norm(vectors_ID, axis=1, keepdims=True)
        rows_I = np.arange(len(unit_ID))
        self._features = ItemFeatures(rows_X=rows_I, unit_XD=unit_ID, counts_X=self._counts_I)
        places = np.argsort(np.array(self._evidence.ids, np.int64))
        rows_E = np.array(self._evidence.ids, np.int64)[places]
        sums_ES = np.frombuffer(self._evidence.sums, "<f4").reshape(-1, len(SUMS)).astype(float)
        self._posterior = ItemPosterior(
            self._of(rows_E), sums_ES[places], seed=int(self._evidence.digest, 16)
        )

    def lifts_MP(self, policy: ListPolicy, pool: Integers, spread: float) -> Floats | None:
        """Return the lifts of a pool, in spreads; None before the first `learn`."""
        if self._posterior is None:
            return None
        order = np.argsort(pool)
        of = self._of(pool[order])
        if policy.name == "ucb":
            sorted_MP = self._posterior.optimistic_lifts(of, policy.width)[np.newaxis]
        else:
            sorted_MP = self._posterior.sampled_lifts(of)
        lifts_MP = np.empty_like(sorted_MP)
        lifts_MP[:, order] = sorted_MP
        lifts_MP *= (self._posterior.score_unit or spread) / spread
        return lifts_MP

    def promising_films(self) -> Integers:
        """Return the films that rewards may lift, as `recommender.lists.reward_lifts` does."""
        if self._posterior is None:
            return np.zeros(0, np.int64)
        of = self._posterior.shown
        found: Integers = of.rows_X[self._posterior.optimistic_lifts(of, 1.0) > 0]
        return found

    def _of(self, rows: Integers) -> ItemFeatures:
        assert self._features is not None
        return ItemFeatures(
            rows_X=rows, unit_XD=self._features.unit_XD[rows], counts_X=self._counts_I[rows]
        )

    def _now_us(self) -> int:
        return round(self._visit / VISITS_A_DAY * _DAY_S * 1e6)
