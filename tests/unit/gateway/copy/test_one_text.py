"""Texts that are asked for now: calls of a writer take turns."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import cast

from copywriter.brief import Brief
from copywriter.list_briefs import CopyStyle
from copywriter.ready_text import ReadyText
from cron.backends.sqlite.item_records import SqliteItemRecords
from gateway.copy.described_items import DescribedItems
from gateway.copy.lists import CopySources
from gateway.copy.one_text import OneText
from gateway.placements.lists import PlacementLists
from tests.film_briefs import film_brief


def test_a_call_without_a_turn_costs_the_writer_nothing(tmp_path: Path) -> None:
    """A slow writer would work on calls that nobody waits for any more, before the new ones."""
    is_asked, may_end = threading.Event(), threading.Event()
    asked: list[Brief] = []

    def write(brief: Brief, _within_s: float) -> ReadyText:
        asked.append(brief)
        is_asked.set()
        may_end.wait(60.0)
        return ReadyText(text="See it.", source="writer")

    async def ask() -> list[ReadyText]:
        one_text = OneText(cast(PlacementLists, None), sources, write)
        first = asyncio.create_task(one_text.text(film_brief("First"), 60.0))
        await asyncio.to_thread(is_asked.wait, 60.0)
        second = await one_text.text(film_brief("Second"), 0.01)
        may_end.set()
        return [await first, second]

    records = SqliteItemRecords(tmp_path / "items.db")
    sources = CopySources(items=DescribedItems(records), style=CopyStyle())
    assert [one.source for one in asyncio.run(ask())] == ["writer", "template"]
    assert [one.items[0].title for one in asked] == ["First"]
    records.close()
