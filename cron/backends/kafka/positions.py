"""The cursor: the offset of the next record in each partition, and the ids of the topics.

A topic's id distinguishes it from a deleted topic of the same name, whose offsets began at 0 too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cron.ports import Cursor

Partition = tuple[str, int]  # a topic's name and the number of a partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """A reader's place; `ids` by the topic's name."""

    ids: Mapping[str, str]
    next: Mapping[Partition, int]


def to_cursor(positions: Positions) -> Cursor:
    """Write a cursor; equal positions give equal cursors."""
    topics = {
        name: {
            "id": topic_id,
            "next": [offset for line, offset in sorted(positions.next.items()) if line[0] == name],
        }
        for name, topic_id in sorted(positions.ids.items())
    }
    return Cursor(json.dumps(topics, separators=(",", ":")))


def from_cursor(cursor: Cursor) -> Positions | None:
    """Read a cursor; None for a cursor of another back end."""
    try:
        topics = json.loads(cursor)
        return Positions(
            ids={name: str(topic["id"]) for name, topic in topics.items()},
            next={
                (name, number): int(offset)
                for name, topic in topics.items()
                for number, offset in enumerate(topic["next"])
            },
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
