"""What the calls need for texts, made of the settings once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from threading import Event

from copywriter.list_briefs import CopyStyle
from cron import wiring
from cron.copy.ask_now import write_now
from cron.copy.live_writer import live_writer
from cron.copy.ready_texts import ReadyTexts
from cron.copy.write_ahead import CopyWork
from cron.ledger.ledger import Ledger
from cron.metrics.copy_report import CopyReport, copy_report
from cron.ports import ItemRecords
from cron.settings.tree import Settings
from gateway.copy.item_lists import ItemListTexts
from gateway.copy.lists import CopyLists, CopySources
from gateway.copy.one_text import OneText, WriteText
from gateway.placements.lists import PlacementLists


def write_text(settings: Settings, ledger: Ledger) -> WriteText:
    """Return what writes one text now, with the live writer."""
    open_server = cache(partial(wiring.open_copy_server, settings))
    work = CopyWork(
        ledger=ledger,
        settings=settings.copy,
        open_writer=partial(live_writer, settings.copy, ledger, open_server),
        stop=Event(),
    )
    return partial(write_now, work)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyServices:
    """Lists with texts, and texts that are asked for one by one."""

    lists: CopyLists
    item_lists: ItemListTexts
    one_text: OneText
    report: Callable[[], CopyReport]


def copy_services(
    settings: Settings,
    ledger: Ledger,
    lists: PlacementLists,
    item_records: ItemRecords,
    ready: ReadyTexts,
) -> CopyServices:
    """Return the services of texts in the shop's style."""
    sources = CopySources(
        item_records=item_records,
        style=CopyStyle(
            language=settings.copy.language,
            tone=settings.copy.tone,
            max_chars=settings.copy.max_chars,
        ),
        ready=ready,
        private_attributes=settings.gateway.private_attributes,
    )
    return CopyServices(
        lists=CopyLists(lists, sources),
        item_lists=ItemListTexts(sources),
        one_text=OneText(lists, sources, write_text(settings, ledger)),
        report=partial(copy_report, ledger, settings.copy),
    )
