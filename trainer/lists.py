"""How the lists of a very large catalogue are found: from cells where those lose little.

B users of the panel    C cells    K best items of a user
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recommender.bundle import Bundle
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.item_rows import ItemRows
from recommender.ranking.ranker import Ranker
from recommender.retrieval.cell_scan import Cells, is_head, means_of
from recommender.retrieval.scan import NO_ROW, Scan
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
    users = _Users.of(Ranker(bundle), panel)
    if not users.seen:
        return bundle
    scan = _exact_scan(bundle)
    best_BK = users.best(bundle, scan)
    cells_N = find_cells(scan.vectors_ND)
    mean_CD = means_of(scan.vectors_ND, cells_N, num_cells=int(cells_N.max()) + 1)
    head_N = is_head(scan.bias_N)
    # the number of cells that come before each one for a user
    query_BD = bundle.model.queries(users.state_BD)
    nearer_BC = (query_BD @ mean_CD.T).argsort(descending=True).argsort()
    nearer_BK = nearer_BC.gather(1, cells_N[best_BK].long()).masked_fill(head_N[best_BK], -1)
    for probes in PROBES:
        is_found_BK = nearer_BK[best_BK != NO_ROW] < probes
        if float(is_found_BK.float().mean()) >= config.cells_recall:
            return replace(bundle, cells=Cells(cells_N=cells_N, probes=probes))
    return bundle


@torch.inference_mode()
def list_recall(ranker: Ranker, panel: EventTable) -> float | None:
    """Return the share of the best items, by all scores in single precision, that lists have.

    It is None for a catalogue whose lists come from all scores, and without panel users.
    """
    users = _Users.of(ranker, panel) if ranker.is_scanned else None
    if users is None or not users.seen:
        return None
    best_BK = users.best(ranker.bundle, _exact_scan(ranker.bundle)).numpy()
    num = len(users.seen)
    lists = ranker.top_lists(users.state_BD, [TOP] * num, [None] * num, users.seen)
    is_found = [
        np.isin(best_K[best_K != NO_ROW], rows)
        for best_K, (rows, _) in zip(best_BK, lists, strict=True)
    ]
    return float(np.concatenate(is_found).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Users:
    """The states of panel users, and the rows in their histories."""

    state_BD: Tensor
    seen: list[list[int]]

    @classmethod
    def of(cls, ranker: Ranker, panel: EventTable) -> _Users:
        """Read the newest events of the first panel users."""
        manifest = ranker.bundle.manifest
        rows_E = panel.rows(ranker.catalogue)
        is_read_E = panel.attracts(manifest.signals) & (rows_E >= 0)
        histories: list[list[HistoryElement]] = []
        seen: list[list[int]] = []
        for user in range(min(NUM_USERS, len(panel.users))):
            read = np.flatnonzero(is_read_E & (panel.user_E == user))
            places = read[-manifest.model.max_history :]
            if len(places):
                seen.append(rows_E[places].tolist())
                histories.append(
                    [history_element(panel, place, int(rows_E[place])) for place in places]
                )
        return cls(state_BD=ranker.user_states(histories), seen=seen)

    def best(self, bundle: Bundle, scan: Scan) -> Tensor:
        """Return the best_BK that their histories lack, NO_ROW where there are fewer."""
        query_BD = bundle.model.queries(self.state_BD)
        return scan.best(query_BD, TOP, [None] * len(self.seen), self.seen)


def _exact_scan(bundle: Bundle) -> Scan:
    """Return a scan in single precision, which finds what sorting all scores would."""
    vectors_ND, bias_N = ItemRows(bundle.model, bundle.facts).arrays(torch.float32)
    return Scan(vectors_ND, bias_N, np.flatnonzero(bundle.catalogue.hidden_N))
