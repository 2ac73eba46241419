"""The lifts of items for the policies that learn from rewards, from a question's posterior.

P  items of the pool    E  items with evidence    M  samples
"""

from __future__ import annotations

import numpy as np
import torch

from recommender.arrays.best_rows import Rows
from recommender.policies.posterior import Floats, ItemFeatures, ItemPosterior
from recommender.ranking.ranker import Ranker
from recommender.requests.list_policy import ListPolicy
from recommender.requests.reward_evidence import SUMS, RewardEvidence
from recommender.requests.wire import BadRequest

MAX_PROMISING = 200  # items with evidence that are added to a pool

FIELD = "policy.posterior"


def posterior_of(ranker: Ranker, policy: ListPolicy | None) -> ItemPosterior | None:
    """Return a policy's posterior, and keep it; None for a policy without one.

    Raise BadRequest when the question has only the id, and the posterior is not kept here.
    """
    if policy is None or policy.posterior is None:
        return None
    asked = policy.posterior
    known = ranker.posteriors.find(asked.id)
    if known is None:
        if asked.evidence is None:
            expected = "the same question with ids and sums"
            raise BadRequest(FIELD, found="an id that this worker does not have", expected=expected)
        known = _posterior(ranker, asked.evidence, seed=int(asked.id, 16))
        ranker.posteriors.keep(asked.id, known)
    return known


def lifts(
    ranker: Ranker, posterior: ItemPosterior, policy: ListPolicy, rows_P: Rows, spread: float
) -> Floats:
    """Return the lifts_MP of a pool's items, in spreads of the list."""
    order_P = rows_P.argsort()
    items = features(ranker, rows_P[order_P])
    if policy.name == "ucb":
        sorted_MP = posterior.optimistic_lifts(items, policy.width)[np.newaxis]
    else:
        sorted_MP = posterior.sampled_lifts(items)
    lifts_MP = np.empty_like(sorted_MP)
    lifts_MP[:, order_P] = sorted_MP
    if posterior.score_unit is not None:
        lifts_MP *= posterior.score_unit / spread
    return lifts_MP


def promising_rows(posterior: ItemPosterior) -> Rows:
    """Return the rows that rewards may lift most, which a pool by score alone may lack."""
    lifts_E = posterior.optimistic_lifts(posterior.shown, 1.0)
    best = np.argsort(-lifts_E, kind="stable")[:MAX_PROMISING]
    return posterior.shown.rows_X[best[lifts_E[best] > 0]]


def features(ranker: Ranker, rows_X: Rows) -> ItemFeatures:
    """Return what a posterior reads of some rows, which are distinct and ascending."""
    places_X = torch.from_numpy(rows_X)
    unit_XD = torch.nn.functional.normalize(ranker.vectors(places_X), dim=1)
    return ItemFeatures(
        rows_X=rows_X,
        unit_XD=unit_XD.double().numpy(),
        counts_X=ranker.bundle.counts_N[places_X].double().numpy(),
    )


def _posterior(ranker: Ranker, evidence: RewardEvidence, *, seed: int) -> ItemPosterior:
    """Compute a posterior with this release's vectors. Items that it lacks are left out."""
    sums_ES = np.frombuffer(evidence.sums, "<f4").reshape(-1, len(SUMS)).astype(np.float64)
    if not np.isfinite(sums_ES).all():
        raise BadRequest(f"{FIELD}.sums", found="NaN or infinity", expected="finite numbers")
    row_of = ranker.catalogue.row
    rows = {row: place for place, row in enumerate(map(row_of, evidence.ids)) if row is not None}
    rows_E = np.array(sorted(rows), np.int64)
    kept_ES = sums_ES[[rows[row] for row in rows_E.tolist()]]
    return ItemPosterior(features(ranker, rows_E), kept_ES, seed=seed)
