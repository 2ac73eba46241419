"""The bench of pictures, on pictures whose vectors are known."""

from __future__ import annotations

import numpy as np
import torch

from bench.data.rendered_pictures import KINDS, rendered_pictures, thumbnails_of
from bench.ranking.pictures import random_shares, shares
from recommender.encoder.picture_encoder import open_picture
from recommender.retrieval.picture_vectors import vectors_of_pictures


def test_pictures_of_one_kind_differ_and_stay_readable() -> None:
    pictures = rendered_pictures(len(KINDS) + 1)
    assert rendered_pictures(len(KINDS) + 1) == pictures
    assert pictures[0] != pictures[-1]
    (small,) = thumbnails_of(pictures[:1])
    assert open_picture(small).size == (256, 256)


def test_the_share_of_the_own_kind_is_counted() -> None:
    """Two kinds whose vectors are the same within the kind, twelve items each."""
    kinds = np.arange(24) % 2
    vectors_NP = torch.eye(2, dtype=torch.half)[torch.from_numpy(kinds)]
    has_N = torch.ones(24, dtype=torch.bool)
    pictures = vectors_of_pictures(vectors_NP, has_N)
    everything = np.ones((24, 24), dtype=bool)
    assert shares(pictures, kinds, everything).tolist() == [1.0] * 24
    assert not shares(pictures, kinds, kinds[:, None] != kinds[None, :]).any()


def test_chance_depends_on_how_many_share_the_kind() -> None:
    among_all, of_one_colour = random_shares(360)
    assert among_all.value == round(29 / 359, 4)
    assert of_one_colour.value == round(29 / 179, 4)
