"""Slates are learned from the state before them, by users and items that are known."""

import numpy as np
import torch

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from trainer.data.slate_places import NO_ITEM, HistoryTimes, place_slates
from trainer.data.slates import ServedSlates

HISTORIES = HistoryTimes(
    users={"a": 0, "b": 1}, user_bounds=np.array([0, 2, 5]), at_s=np.array([1.0, 3, 1, 2, 3])
)
CATALOGUE = Catalogue(CatalogueItem(item_id=f"i{number}") for number in range(3))


def slates(*served: tuple[str, float, tuple[str, ...]]) -> ServedSlates:
    """Return slates by user, time and items, each with the propensity .5."""
    lengths = [len(items) for _, _, items in served]
    return ServedSlates(
        user_ids_J=np.array([user_id for user_id, _, _ in served], dtype=object),
        at_s_J=np.array([at_s for _, at_s, _ in served]),
        bounds=np.cumsum([0, *lengths]),
        item_ids_I=np.array([item for _, _, items in served for item in items], dtype=object),
        propensity_I=np.full(sum(lengths), 0.5),
        reward_I=np.ones(sum(lengths)),
    )


def test_a_slate_follows_the_events_before_it() -> None:
    logged = slates(("b", 3.0, ("i0", "i2")), ("a", 0.5, ("i1",)), ("a", 9.0, ("i2",)))
    credit_I = np.array([0.0, 1.0, 2.0, 3.0])
    placed = place_slates(logged, credit_I, HISTORIES, CATALOGUE)
    assert placed.user_J.tolist() == [0, 0, 1]
    assert placed.places_J.tolist() == [0, 2, 4]  # an event at the slate's own time comes after it
    assert placed.rows_JK.tolist() == [[1, NO_ITEM], [2, NO_ITEM], [0, 2]]
    assert placed.credit_JK.tolist() == [[2.0, 0.0], [3.0, 0.0], [0.0, 1.0]]
    assert placed.of_user(0) == slice(0, 2)


def test_slates_that_teach_nothing_are_left_out() -> None:
    logged = slates(("nobody", 1.0, ("i0",)), ("a", 2.0, ("i1",)), ("a", 3.0, ("gone", "i0")))
    placed = place_slates(logged, np.array([1.0, 0.0, 0.0, 1.0]), HISTORIES, CATALOGUE)
    assert (placed.num_logged, len(placed)) == (3, 1)
    assert placed.rows_JK.tolist() == [[0, NO_ITEM]]


def test_places_in_a_block_keep_the_padding() -> None:
    placed = place_slates(
        slates(("a", 2.0, ("i2",)), ("a", 2.5, ("i0", "i2"))), np.ones(3), HISTORIES, CATALOGUE
    )
    batch = placed.batch([(0, 1, 0), (0, 1, 1)])
    assert batch.named_rows().tolist() == [2, 0, 2]
    in_block = batch.at_places(torch.tensor([0, 2]))
    assert in_block.rows_JK.tolist() == [[1, NO_ITEM], [0, 1]]
