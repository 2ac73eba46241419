"""What texts add to a list of the gateway: processor time for ten lines and a title.

The items are those of MovieLens 100K in the embedded store. Each list has ten of them, with an item
of the history in each reason, as the model's answers have it. No model takes part.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from bench.data.sets import load_set
from bench.report.rows import BenchMetric, is_quick, save
from copywriter.brief import Language
from copywriter.list_briefs import CopyStyle
from cron import wiring
from cron.copy.ready_texts import ReadyTexts
from cron.ledger.ledger import open_ledger
from cron.placement import CopyPolicy
from gateway.bodies.recommendations import ItemReason, NearItem, RankedItem
from gateway.copy.described_items import DescribedItems
from gateway.copy.lists import CopySources, texts_of
from gateway.copy.reasons import ids_to_read
from recommender.records.events import Item

BENCH = "copy-lists"
NUM_LISTS, QUICK_LISTS = 500, 50  # whose lines are kept in memory
FLUSH_S = 3_600.0  # what is wanted stays in memory
LENGTH = 10
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Shown = Sequence[RankedItem]


def measure_lists(command: str) -> None:
    """Make the texts of lists; write the page of results."""
    num_lists = QUICK_LISTS if is_quick() else NUM_LISTS
    items = _items()
    draw = Random(0)
    lists = [_list_of(draw.sample(items, LENGTH + 1)) for _ in range(num_lists)]
    with tempfile.TemporaryDirectory() as name:
        records = wiring.open_item_records(f"sqlite:///{Path(name)}/histories.db")
        records.append(items)
        ledger = open_ledger(f"sqlite:///{Path(name)}/ledger.db")
        read = _milliseconds(lists, lambda shown: records.find(ids_to_read(shown)))
        rows = [
            BenchMetric(
                metric="reading the records of a list of 10", value=read, unit="ms", note="CPU"
            )
        ]
        for language in LANGUAGES:
            sources = CopySources(
                items=DescribedItems(records),
                style=CopyStyle(language=language),
                ready=ReadyTexts(ledger, flush_s=FLUSH_S),
            )
            rows += asyncio.run(_rows(lists, sources))
        ledger.close()
    save(BENCH, "MovieLens 100K", rows, command=command)


async def _rows(lists: Sequence[Shown], sources: CopySources) -> list[BenchMetric]:
    """Measure lists whose lines are new, and the same lists once more."""
    assert sources.ready is not None
    sources.ready.refresh()
    rows = []
    for name in ("texts of a list of 10, new lines", "the same lists once more"):
        began = time.process_time()
        for shown in lists:
            await texts_of(shown, sources.style, sources, _policies(shown))
        spent_ms = 1000 * (time.process_time() - began) / len(lists)
        metric = f"{sources.style.language}: {name}"
        rows.append(BenchMetric(metric=metric, value=spent_ms, unit="ms", note="CPU"))
    return rows


def _milliseconds(lists: Sequence[Shown], work: Callable[[Shown], object]) -> float:
    """Return the processor time of a list."""
    began = time.process_time()
    for shown in lists:
        work(shown)
    return 1000 * (time.process_time() - began) / len(lists)


def _items() -> list[Item]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    for raw in load_set("ml-100k").items:
        if raw is None:
            continue
        attributes = raw["attributes"]
        assert isinstance(attributes, dict)
        genre, year = tuple(attributes.get("genre", ())), attributes.get("year")
        known = {"genre": genre} | ({"year": float(year)} if year else {})
        item_id = str(raw["item_id"])
        found.append(
            Item(
                event_id=item_id, item_id=item_id, title=str(raw["title"]), at=at, attributes=known
            )
        )
    return found


def _list_of(items: Sequence[Item]) -> Shown:
    """Return a list of all items but the first, which is the reason of each."""
    near = NearItem(id=items[0].item_id, title=items[0].title, share=0.5)
    reason = ItemReason(nearest=(near,), shared={}, popular=False, new=False)
    return [
        RankedItem(rank=rank, id=one.item_id, title=one.title, score=1.0, reason=reason)
        for rank, one in enumerate(items[1:], 1)
    ]


def _policies(shown: Sequence[RankedItem]) -> Sequence[CopyPolicy]:
    """Return that all items and the title may have a writer's text."""
    return ["writer"] * (len(shown) + 1)
