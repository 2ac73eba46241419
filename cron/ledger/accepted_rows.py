"""The texts of the ledger that a writer may be tuned on: accepted ones, and an editor's own."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from copywriter.brief import Brief
from copywriter.tuning.accepted_texts import AcceptedText
from cron.ledger import schema
from cron.ledger.ledger import Ledger


def accepted_texts(ledger: Ledger, languages: Collection[str]) -> Sequence[AcceptedText]:
    """Return a text of each brief: the editor's, else the newest that any writer wrote.

    Briefs whose text an editor banned are left out, and those in other languages.
    """
    texts, edits = schema.copy_texts.c, schema.copy_edits.c
    written = (
        sa.select(texts.brief, texts.content, texts.text)
        .where(texts.text.is_not(None))
        .order_by(texts.made_at, texts.writer)
    )
    decided = sa.select(edits.brief, edits.content, edits.text).where(edits.content != "")
    with ledger.read() as connection:
        found = {row.brief: (row.content, row.text) for row in connection.execute(written)}
        found |= {row.brief: (row.content, row.text) for row in connection.execute(decided)}
    accepted = [
        AcceptedText(brief=Brief.from_json(content), text=text)
        for _, (content, text) in sorted(found.items())
        if text is not None
    ]
    return [one for one in accepted if one.brief.language in languages]
