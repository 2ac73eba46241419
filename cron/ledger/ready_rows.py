"""All texts that may be shown now, for a gateway that keeps them in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema, writer_rows
from cron.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenText:
    """A text of the live writer, by the digest of its brief."""

    brief: str
    text: str
    made_at: datetime


def texts_of_live_writer(
    ledger: Ledger, *, at_most: int, since: datetime | None = None
) -> Sequence[WrittenText]:
    """Return the live writer's texts, the newest first; with `since`, those made from then on."""
    texts = schema.copy_texts.c
    query = (
        sa.select(texts.brief, texts.text, texts.made_at)
        .where(texts.writer.in_(writer_rows.live_digest()), texts.text.is_not(None))
        .order_by(texts.made_at.desc(), texts.brief)
        .limit(at_most)
    )
    if since is not None:
        query = query.where(texts.made_at >= since.isoformat())
    with ledger.read() as connection:
        return [
            WrittenText(brief=row[0], text=row[1], made_at=datetime.fromisoformat(row[2]))
            for row in connection.execute(query)
        ]


def texts_by_editors(ledger: Ledger) -> Mapping[str, str | None]:
    """Return the text of each brief that an editor decided on; None where it is banned."""
    edits = schema.copy_edits.c
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(sa.select(edits.brief, edits.text))}
