"""Lists from cells: with all cells those of a scan, with few of them nearly."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue.catalogue import Mask
from recommender.retrieval.cell_scan import Cells, CellScan, load_cells, save_cells
from recommender.retrieval.scan import NO_ROW, Scan
from trainer.learning.cells import find_cells

NUM_ITEMS, NUM_USERS, WIDTH, NUM_GROUPS = 4_000, 5, 8, 50
HIDDEN = (0, 7, NUM_ITEMS - 1)


@dataclass(frozen=True)
class Planted:
    """Items in groups of similar vectors; each query wants another group."""

    query_BD: torch.Tensor
    vectors_ND: torch.Tensor
    bias_N: torch.Tensor
    cells_N: torch.Tensor

    @property
    def scan(self) -> Scan:
        return Scan(self.vectors_ND, self.bias_N, np.array(HIDDEN))

    def cell_scan(self, probes: int) -> CellScan:
        cells = Cells(cells_N=self.cells_N, probes=probes)
        return CellScan(self.vectors_ND, self.bias_N, np.array(HIDDEN), cells)


@pytest.fixture(scope="module")
def shop() -> Planted:
    draws = torch.Generator().manual_seed(0)
    mean_GD = 3 * torch.randn(NUM_GROUPS, WIDTH, generator=draws)
    group_N = torch.randint(NUM_GROUPS, (NUM_ITEMS,), generator=draws)
    vectors_ND = mean_GD[group_N] + 0.3 * torch.randn(NUM_ITEMS, WIDTH, generator=draws)
    return Planted(
        query_BD=mean_GD[:NUM_USERS] / 3,
        vectors_ND=vectors_ND,
        bias_N=torch.randn(NUM_ITEMS, generator=draws),
        cells_N=find_cells(vectors_ND),
    )


@settings(max_examples=30)
@given(
    k=st.sampled_from([1, 10, 300]),
    shares=st.lists(st.sampled_from([None, 0.01, 0.5]), min_size=5, max_size=5),
    num_excluded=st.integers(0, 30),
)
def test_all_cells_give_the_rows_of_a_scan(
    shop: Planted, k: int, shares: list[float | None], num_excluded: int
) -> None:
    masks: dict[float | None, Mask | None] = {None: None}
    masks |= {share: np.random.default_rng(1).random(NUM_ITEMS) < share for share in (0.01, 0.5)}
    allowed = [masks[share] for share in shares]
    scan, query_BD = shop.scan, shop.query_BD
    best_BK = scan.best(query_BD, 30, allowed, [()] * NUM_USERS)
    excluded = [rows_K[rows_K != NO_ROW][:num_excluded].tolist() for rows_K in best_BK]
    expected_BK = scan.best(query_BD, k, allowed, excluded)
    found_BK = shop.cell_scan(64).best(query_BD, k, allowed, excluded)
    assert found_BK.tolist() == expected_BK.tolist()


def test_few_cells_have_most_of_the_best_rows(shop: Planted) -> None:
    scan, query_BD = shop.scan, shop.query_BD
    best_BK = scan.best(query_BD, 10, [None] * NUM_USERS, [()] * NUM_USERS)
    excluded = [rows_K[:3].tolist() for rows_K in best_BK]
    expected_BK = scan.best(query_BD, 10, [None] * NUM_USERS, excluded)
    found_BK = shop.cell_scan(4).best(query_BD, 20, [None] * NUM_USERS, excluded)
    found = [set(rows_K.tolist()) for rows_K in found_BK]
    shares = [
        len(rows.intersection(best_K.tolist())) / 10
        for rows, best_K in zip(found, expected_BK, strict=True)
    ]
    assert min(shares) >= 0.9
    for rows, out in zip(found, excluded, strict=True):
        assert not rows.intersection((*out, *HIDDEN))


def test_products_are_in_the_order_of_the_rows(shop: Planted) -> None:
    query_D = shop.query_BD[0]
    products_N = shop.cell_scan(4).products(query_D)
    assert torch.allclose(products_N, shop.vectors_ND @ query_D, atol=1e-4)


def test_empty_cells_are_not_searched(shop: Planted) -> None:
    query_BD = shop.query_BD
    assert shop.cell_scan(4).best(query_BD[:0], 10, [], []).shape == (0, 10)
    cells = Cells(cells_N=torch.tensor([0, 0, 5], dtype=torch.int16), probes=4)
    scan = CellScan(shop.vectors_ND[:3], shop.bias_N[:3], np.zeros(0, np.int64), cells)
    found_BK = scan.best(query_BD[:1], 3, [None], [[1]])
    assert found_BK.tolist() == [[NO_ROW, 0, 2]]


def test_cells_survive_saving_and_loading(shop: Planted, tmp_path: Path) -> None:
    save_cells(Cells(cells_N=shop.cells_N, probes=4), tmp_path / "cells.safetensors")
    cells = load_cells(tmp_path / "cells.safetensors")
    assert torch.equal(cells.cells_N, shop.cells_N)
    assert cells.probes == 4
