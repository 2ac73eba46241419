"""The probability with which a policy chooses each item for the next slot.

`greedy` takes the item that is worth most. `epsilon` does, except that with probability ε it takes
any item that may come, each with the same probability. `plackett_luce` takes an item in proportion
to exp(worth / temperature), both in spreads of the list: drawing so without replacement is the
model of Luce (1959) and Plackett (1975).

`thompson` (Thompson 1933) draws one of the samples of the posterior of the items' rewards for each
slot, and takes the item that is worth most by it. So an item's probability is the share of the
samples in which it is worth most. `ucb` takes the item that is worth most by the upper bounds of
the items' effects (Li et al. 2010), as if they were the only sample.

With a share of new items, the slot is one of theirs with that probability, and the policy's with
the rest. A new item is then taken in proportion to exp(worth / s), where s is the spread of the new
items' scores: those that fit the reader come more often, and every one may come. With doubts it is
the one that is worth most in a draw of what each may be worth (Thompson's way for the new items
alone), and only if that is more than the best item of the policy: otherwise the slot is the
policy's.
"""

from __future__ import annotations

import numpy as np

from recommender.policies.slots import Floats, Mask, PolicyPool, Slots
from recommender.requests.list_policy import ListPolicy, learns_from_rewards


def slot_probabilities(policy: ListPolicy, slots: Slots) -> Floats:
    """Return the probability of each item for the next slot.

    Their sum is 1, or 0 if no item may come. When only new items may come, or none of them, the
    share has no effect. Ties go to the item that is first in the pool.
    """
    is_listed_P = slots.is_open_P & slots.pool.is_listed_P
    of_policy_P = _policy_probabilities(policy, slots, is_listed_P)
    if policy.new_items is None:
        return of_policy_P
    is_new_P = slots.is_open_P & slots.pool.is_new_P
    if not is_new_P.any():
        return of_policy_P
    of_new_P = _new_probabilities(slots, is_new_P, is_listed_P)
    if not is_listed_P.any():
        return of_new_P
    of_new_P *= policy.new_items.share
    chance_P: Floats = (1 - of_new_P.sum()) * of_policy_P + of_new_P
    return chance_P


def _new_probabilities(slots: Slots, is_new_P: Mask, is_listed_P: Mask) -> Floats:
    """Return the probability of each new item where new items may come; their sum is at most 1."""
    places_X = np.flatnonzero(is_new_P)
    drawn_MX = slots.drawn_MX(places_X)
    if drawn_MX is None:
        return _proportions(slots.spreads_P / _new_spread(slots.pool), is_new_P)
    to_beat = slots.spreads_P[is_listed_P].max(initial=-np.inf)
    best_M = drawn_MX.argmax(axis=1)
    better_B = best_M[drawn_MX.max(axis=1) > to_beat]
    shares_P: Floats = np.bincount(places_X[better_B], minlength=len(is_new_P)) / len(best_M)
    return shares_P


def _policy_probabilities(policy: ListPolicy, slots: Slots, is_listed_P: Mask) -> Floats:
    chance_P = np.zeros(len(is_listed_P))
    if not is_listed_P.any():
        return chance_P
    if policy.name == "plackett_luce":
        return _proportions(slots.spreads_P / policy.temperature, is_listed_P)
    if learns_from_rewards(policy.name):
        chosen_M = np.where(is_listed_P, slots.lifted_MP, -np.inf).argmax(axis=1)
        return np.bincount(chosen_M, minlength=len(chance_P)) / len(chosen_M)
    epsilon = policy.epsilon if policy.name == "epsilon" else 0.0
    chance_P[is_listed_P] = epsilon / np.count_nonzero(is_listed_P)
    chance_P[int(np.where(is_listed_P, slots.worth_P, -np.inf).argmax())] += 1 - epsilon
    return chance_P


def _proportions(logits_P: Floats, is_open_P: Mask) -> Floats:
    """Return the softmax of the logits of open items, of which there is at least one."""
    logits_P = np.where(is_open_P, logits_P, -np.inf)
    weights_P = np.exp(logits_P - logits_P.max())
    chance_P: Floats = weights_P / weights_P.sum()
    return chance_P


def _new_spread(pool: PolicyPool) -> float:
    """Return the standard deviation of the new items' scores, in spreads of the list.

    It is 1 if they are all the same.
    """
    spread = float(pool.scores_P[pool.is_new_P].std()) / pool.spread
    return spread if spread > 0 else 1.0
