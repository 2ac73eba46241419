"""What the calls need for texts, made of the settings once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from threading import Event

from copywriter.brief import Brief, BriefAttribute
from copywriter.list_briefs import CopyStyle
from copywriter.ready_text import ReadyText
from cron import wiring
from cron.copy.ask_now import write_now
from cron.copy.live_writer import live_writer
from cron.copy.ready_texts import ReadyTexts
from cron.copy.write_ahead import CopyWork
from cron.errors import FreshetError
from cron.ledger import journal_rows
from cron.ledger.ledger import Ledger
from cron.metrics.copy_report import CopyReport, copy_report
from cron.ports import EventLog, ItemRecords
from cron.settings.copy_settings import CopySettings
from cron.settings.tree import Settings
from cron.urls.writers import ServedWriterUrl, parse_writer
from gateway.bodies.item_lists import PopularItemAnswer
from gateway.copy.active_users import ActiveUsers
from gateway.copy.ahead import ListsAhead, RowsAhead
from gateway.copy.described_items import DescribedItems
from gateway.copy.item_lists import ItemListTexts
from gateway.copy.lists import CopyLists, CopySources
from gateway.copy.one_text import OneText, WriteText
from gateway.items.matching import item_filter
from gateway.items.rankings import ItemRankings
from gateway.model.live_release import LiveRelease
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
    ahead: ListsAhead
    report: Callable[[], CopyReport]
    refresh: Callable[[], None]  # reads which texts may be shown; it blocks
    close: Callable[[], None]


def copy_services(
    settings: Settings,
    ledger: Ledger,
    lists: PlacementLists,
    item_records: ItemRecords,
    live: LiveRelease,
    event_log: EventLog,
) -> CopyServices:
    """Return the services of texts in the shop's style."""
    ready = ReadyTexts(ledger, has_writer=settings.copy.writer is not None)
    ready.refresh()
    sources = CopySources(
        items=DescribedItems(item_records, settings.gateway.private_attributes),
        style=CopyStyle(
            language=settings.copy.language,
            tone=settings.copy.tone,
            max_chars=settings.copy.max_chars,
        ),
        ready=ready,
    )
    write = _then_shown(write_text(settings, ledger), ready)
    one_text = OneText(lists, sources, write, at_once=_calls_at_once(settings.copy))
    active = ActiveUsers(event_log, partial(journal_rows.log_cursor, ledger))
    rows = _rows_ahead(settings.copy, item_records, live, active)
    ahead = ListsAhead(lists, sources, one_text, rows, after_s=settings.copy.ahead_s)
    return CopyServices(
        lists=CopyLists(lists, sources, ahead.note),
        item_lists=ItemListTexts(sources),
        one_text=one_text,
        ahead=ahead,
        report=partial(copy_report, ledger, settings.copy),
        refresh=ready.refresh,
        close=ready.close,
    )


def _calls_at_once(settings: CopySettings) -> int:
    """Return how many texts a writer writes at a time: on TorchServe it has one worker."""
    if settings.writer is None or isinstance(parse_writer(settings.writer), ServedWriterUrl):
        return 1
    return settings.at_once


def _then_shown(write: WriteText, ready: ReadyTexts) -> WriteText:
    """Return the same writing; what was stored is shown by the lists of this gateway at once."""

    def write_and_read(brief: Brief, within_s: float) -> ReadyText | None:
        text = write(brief, within_s)
        if text is not None:
            with suppress(FreshetError):  # else half a second later
                ready.refresh()
        return text

    return write_and_read


def _rows_ahead(
    settings: CopySettings, item_records: ItemRecords, live: LiveRelease, active: ActiveUsers
) -> RowsAhead:
    everything = item_filter({})
    return RowsAhead(
        popular=partial(_popular, item_records, live),
        newest=partial(ItemRankings(item_records).newest, everything),
        active_users=active.look,
        languages=settings.languages,
        segments=tuple(map(_segment, settings.segments)),
    )


def _popular(item_records: ItemRecords, live: LiveRelease, k: int) -> list[PopularItemAnswer]:
    """Return the live release's most popular items that have a record and are not hidden."""
    release = live.get()
    ids = [one.item_id for one in (release.manifest.popular if release else ())]
    known = item_records.find(ids)
    shown = [known[one].record for one in ids if one in known and not known[one].record.hidden]
    return [PopularItemAnswer(id=one.item_id, title=one.title) for one in shown[:k]]


def _segment(text: str) -> BriefAttribute:
    name, _, value = text.partition(":")
    return BriefAttribute(name=name.strip(), values=(value.strip(),))
