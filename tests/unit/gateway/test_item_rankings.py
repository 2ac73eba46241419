"""How many counted rankings the gateway keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from cron.ports import ItemRecords
from gateway.items.matching import item_filter
from gateway.items.rankings import MAX_KEPT, ItemRankings

NOTHING = item_filter({})


class NoCounts:
    """Item records without counts, which know how often they were read."""

    def __init__(self) -> None:
        self.num_read = 0

    def most_counted(self, buckets: Sequence[object], *, limit: int) -> list[tuple[str, int]]:
        assert buckets
        assert limit > 0
        self.num_read += 1
        return []


def test_a_ranking_is_counted_once_in_a_minute_and_few_are_kept() -> None:
    records = NoCounts()
    rankings = ItemRankings(cast(ItemRecords, records))
    windows = [timedelta(hours=hours) for hours in range(1, MAX_KEPT + 2)]
    for window in windows:
        rankings.popular(window, NOTHING, 10)
    assert records.num_read == MAX_KEPT + 1
    rankings.popular(windows[-1], NOTHING, 10)
    assert records.num_read == MAX_KEPT + 1
    rankings.popular(windows[0], NOTHING, 10)
    assert records.num_read == MAX_KEPT + 2
