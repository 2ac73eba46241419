"""The cells of a catalogue: similar vectors share one."""

import torch

from recommender.retrieval.cell_scan import means_of
from trainer.learning.cells import find_cells


def test_similar_vectors_share_a_cell() -> None:
    draws = torch.Generator().manual_seed(0)
    mean_GD = 3 * torch.randn(50, 8, generator=draws)
    group_N = torch.randint(50, (4_000,), generator=draws)
    vectors_ND = mean_GD[group_N] + 0.3 * torch.randn(4_000, 8, generator=draws)
    cells_N = find_cells(vectors_ND)
    assert torch.equal(cells_N, find_cells(vectors_ND))
    assert int(cells_N.max()) < 64  # about the square root of 4,000
    mean_CD = means_of(vectors_ND, cells_N, num_cells=64)
    spread = (vectors_ND - mean_CD[cells_N.long()]).square().mean()
    assert spread < 0.1 * vectors_ND.square().mean()


def test_few_and_equal_vectors_have_cells() -> None:
    assert find_cells(torch.zeros(1, 8)).tolist() == [0]
    assert len(find_cells(torch.ones(100, 8))) == 100
