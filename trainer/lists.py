"""How the lists of a very large catalogue are found: from cells where those lose little.

B users of the panel    N items    C cells    K best items of a user
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recommender.bundle import Bundle
from recommender.cell_scan import Cells, is_head, means_of
from recommender.ranker import HistoryElement, Ranker
from recommender.scan import Scan
from trainer.config import TrainConfig
from trainer.data.dataset import EventTable
from trainer.evaluation.evaluate import history_element
from trainer.evaluation.metrics import TOP
from trainer.learning.cells import find_cells

NUM_USERS = 256  # whose lists are compared
PROBES = (4, 8, 16, 32, 64)


@torch.inference_mode()
def with_cells(bundle: Bundle, panel: EventTable, config: TrainConfig) -> Bundle:
    """Return the bundle with cells, and the fewest probes that find enough of the best items.

    Without cells its lists are searched in all items: below `cells_items` items, without panel
    users, and where no number of probes reaches `cells_recall`.
    """
    bundle = replace(bundle, cells=None)
    if len(bundle.catalogue) < config.cells_items:
        return bundle
    ranker = Ranker(bundle, scanned_items=0)
    histories = _histories(ranker, panel)
    scan = ranker.scan
    if not histories or not isinstance(scan, Scan):
        return bundle
    cells_N = find_cells(scan.vectors_ND)
    state_BD = ranker.user_states(histories)
    lists = _lists(ranker, histories)
    mean_CD = means_of(scan.vectors_ND, cells_N, num_cells=int(cells_N.max()) + 1)
    head_N = is_head(scan.bias_N)
    # the number of cells that come before each one for a user
    nearer_BC = (bundle.model.queries(state_BD) @ mean_CD.T).argsort(descending=True).argsort()
    nearer_K = torch.cat(
        [
            nearer_C[cells_N[rows].long()].masked_fill(head_N[rows], -1)
            for nearer_C, rows in zip(nearer_BC, map(torch.from_numpy, lists), strict=True)
        ]
    )
    for probes in PROBES:
        if float((nearer_K < probes).float().mean()) >= config.cells_recall:
            return replace(bundle, cells=Cells(cells_N=cells_N, probes=probes))
    return bundle


def list_recall(ranker: Ranker, panel: EventTable) -> float | None:
    """Return the share of the best items that the lists of panel users have.

    It is None where no list can miss one, and without users.
    """
    if ranker.bundle.cells is None:
        return None
    histories = _histories(ranker, panel)
    exact = _lists(Ranker(replace(ranker.bundle, cells=None)), histories)
    found = [
        np.isin(best, rows).mean()
        for best, rows in zip(exact, _lists(ranker, histories), strict=True)
        if len(best)
    ]
    return float(np.mean(found)) if found else None


def _lists(ranker: Ranker, histories: list[list[HistoryElement]]) -> list[np.ndarray]:
    """Return each user's best rows that its history lacks."""
    users = len(histories)
    seen = [
        [element.row for element in history if element.row is not None] for history in histories
    ]
    state_BD = ranker.user_states(histories)
    lists = ranker.top_lists(state_BD, [TOP] * users, [None] * users, seen)
    return [rows for rows, _ in lists]


def _histories(ranker: Ranker, panel: EventTable) -> list[list[HistoryElement]]:
    """Return the newest events of the first panel users."""
    manifest = ranker.bundle.manifest
    rows_E = panel.rows(ranker.catalogue)
    is_read_E = panel.attracts(manifest.signals) & (rows_E >= 0)
    histories = []
    for user in range(min(NUM_USERS, len(panel.users))):
        places = np.flatnonzero(is_read_E & (panel.user_E == user))[-manifest.model.max_history :]
        if len(places):
            histories.append(
                [history_element(panel, place, int(rows_E[place])) for place in places]
            )
    return histories
