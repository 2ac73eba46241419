"""Lists for the page of one item: what fits both the user and the item ("also viewed").

The item is read as the newest element of the history, and the list leans to its vector. The shorter
the history, the more it leans. docs/log.md has how the weights were chosen.

B  users      D  width      M  distinct free texts      T  width of a text vector
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recommender.lists.resolve import ItemRef, Plan
from recommender.ranking.ranker import Ranker

# What a cosine of 1 adds to a score: this for a visitor without a history, and with n elements
# before the item this over n + 1, but at least LEAST_WEIGHT.
ALONE_WEIGHT = 10.0
LEAST_WEIGHT = 0.5


def weight_of(num_before: int) -> float:
    """Return the weight of an item's vector after a history of `num_before` elements."""
    return max(ALONE_WEIGHT / (num_before + 1), LEAST_WEIGHT)


def lean_to_items(
    ranker: Ranker, plans: Sequence[Plan], state_BD: Tensor, texts_MT: Tensor | None
) -> Tensor:
    """Return the users' states; those of plans with a context lean to its item."""
    users = [user for user, one in enumerate(plans) if one.context is not None]
    if not users:
        return state_BD
    vectors = [_vector(ranker, one.context, texts_MT) for one in plans if one.context is not None]
    weights = [weight_of(max(len(plans[user].history) - 1, 0)) for user in users]
    leaning_BD = state_BD.clone()
    leaning_BD[users] = ranker.lean(state_BD[users], torch.stack(vectors), torch.tensor(weights))
    return leaning_BD


def _vector(ranker: Ranker, place: ItemRef, texts_MT: Tensor | None) -> Tensor:
    if place.row is not None:
        return ranker.vectors(torch.tensor([place.row]))[0]
    assert texts_MT is not None
    assert place.text_row is not None
    return ranker.vectors_of_texts(texts_MT[[place.text_row]])[0]
