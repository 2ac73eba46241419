"""What the calls need for texts, made of the settings once."""

from __future__ import annotations

from dataclasses import dataclass

from copywriter.list_briefs import CopyStyle
from cron.ports import ItemRecords
from cron.settings.tree import Settings
from gateway.copy.lists import CopyLists, CopySources
from gateway.copy.one_text import OneText
from gateway.placements.lists import PlacementLists


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyServices:
    """Lists with texts, and texts that are asked for one by one."""

    lists: CopyLists
    one_text: OneText


def copy_services(
    settings: Settings, lists: PlacementLists, item_records: ItemRecords
) -> CopyServices:
    """Return the services of texts in the shop's style."""
    sources = CopySources(
        item_records=item_records,
        style=CopyStyle(
            language=settings.copy.language,
            tone=settings.copy.tone,
            max_chars=settings.copy.max_chars,
        ),
        private_attributes=settings.gateway.private_attributes,
    )
    return CopyServices(lists=CopyLists(lists, sources), one_text=OneText(lists, sources))
