"""Texts of briefs by writer, and what editors decided about them.

A text is found by the digests of its brief and its writer, so a changed fact, prompt or model makes
it stale at once. What an editor decided goes with the brief alone, whoever writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa

from copywriter.brief import Brief
from copywriter.ready_text import CopySource, ReadyText
from copywriter.writing.verified import RejectedText, VerifiedText
from cron.copy_errors import NotEdited, NothingToPin, UnknownCopy
from cron.ledger import copy_cost_rows, schema, text_changes, writer_rows
from cron.ledger.ledger import Ledger

EditAction = Literal["pin", "edit", "ban"]
_AT_ONCE = 10_000  # digests of one query; SQLite takes 32,766


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCopy:
    """What became of a brief, and an editor's decision if there is one.

    `made_at` is when a writer or an editor decided it, None while it waits for a writer.
    """

    digest: str
    brief: Brief
    writer: str | None = None
    text: str | None = None
    rejected: tuple[RejectedText, ...] = ()
    made_at: datetime | None = None
    action: EditAction | None = None
    edited_text: str | None = None
    edited_by: str | None = None

    @property
    def shown_text(self) -> str | None:
        """The text that is shown; None if it is the template."""
        return self.text if self.action is None else self.edited_text

    @property
    def source(self) -> CopySource:
        """Who wrote what is shown; a banned text has its template in place."""
        if self.shown_text is None:
            return "template"
        return "writer" if self.action is None else "editor"


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefText:
    """A text of a writer, and what it was written about."""

    brief: Brief
    text: str


def store(ledger: Ledger, writer: str, texts: Sequence[VerifiedText]) -> None:
    """Store what a writer made of briefs, and count the rules that rejected texts broke.

    A brief without a final outcome is left out; a later call writes it.
    """
    table = schema.copy_texts
    now = ledger.now().isoformat()
    final = {one.brief.digest(): one for one in texts if one.is_final}
    rows = [
        {
            "brief": digest,
            "writer": writer,
            "text": one.text if one.source == "writer" else None,
            "rejected": msgspec.json.encode(one.rejected).decode(),
            "content": one.brief.as_json().decode(),
            "made_at": now,
        }
        for digest, one in sorted(final.items())
    ]
    with ledger.write() as connection:
        is_old = (table.c.writer == writer) & table.c.brief.in_(list(final))
        if connection.execute(table.delete().where(is_old)).rowcount > 0:
            text_changes.count_decided(connection)
        if rows:
            connection.execute(table.insert(), rows)
            text_changes.count_stored(connection)
        copy_cost_rows.count_rules(connection, texts)


def ready(ledger: Ledger, digests: Sequence[str]) -> Mapping[str, ReadyText]:
    """Return the texts that may be shown: the editor's, else the live writer's, in one query."""
    if not digests:
        return {}
    texts, edits = schema.copy_texts.c, schema.copy_edits.c
    written = sa.select(texts.brief, texts.text, sa.literal("writer")).where(
        texts.brief.in_(digests),
        texts.writer.in_(writer_rows.live_digest()),
        texts.text.is_not(None),
    )
    edited = sa.select(edits.brief, edits.text, sa.literal("editor")).where(
        edits.brief.in_(digests)
    )
    with ledger.read() as connection:
        rows = connection.execute(written.union_all(edited)).all()
    found: dict[str, ReadyText] = {}
    for brief, text, source in sorted(rows, key=lambda row: row[2] == "editor"):
        if text is None:
            found.pop(brief, None)  # banned
        else:
            found[brief] = ReadyText(text=text, source=source)
    return found


def without_outcome(ledger: Ledger, writer: str, digests: Sequence[str]) -> frozenset[str]:
    """Return those of the briefs that a writer has not written and no editor has decided."""
    texts, edits = schema.copy_texts.c, schema.copy_edits.c
    left = set(digests)
    with ledger.read() as connection:
        for first in range(0, len(digests), _AT_ONCE):
            some = digests[first : first + _AT_ONCE]
            written = sa.select(texts.brief).where(texts.brief.in_(some), texts.writer == writer)
            decided = sa.select(edits.brief).where(edits.brief.in_(some))
            left -= set(connection.execute(written.union_all(decided)).scalars())
    return frozenset(left)


def newest(
    ledger: Ledger, limit: int, *, only: Literal["all", "rejected", "edited"] = "all"
) -> tuple[StoredCopy, ...]:
    """Return the newest outcomes of the live writer, or what editors decided, newest first."""
    texts, edits = schema.copy_texts.c, schema.copy_edits.c
    if only == "edited":
        query = _editor_decisions().order_by(edits.edited_at.desc(), edits.brief)
    else:
        query = _writer_outcomes().order_by(texts.made_at.desc(), texts.brief)
    if only == "rejected":
        query = query.where(texts.rejected != "[]")
    with ledger.read() as connection:
        return tuple(_stored_copy(row) for row in connection.execute(query.limit(limit)))


def one(ledger: Ledger, digest: str) -> StoredCopy:
    """Return what became of a brief with the live writer, or an editor; raise UnknownCopy."""
    edited = _editor_decisions().where(schema.copy_edits.c.brief == digest)
    written = _writer_outcomes().where(schema.copy_texts.c.brief == digest)
    with ledger.read() as connection:
        row = connection.execute(edited).first() or connection.execute(written).first()
    if row is not None:
        return _stored_copy(row)
    return StoredCopy(digest=digest, brief=brief_of(ledger, digest))


def texts_after(ledger: Ledger, after: str, *, limit: int) -> tuple[BriefText, ...]:
    """Return the live writer's next texts after the digest of a brief, by digest."""
    texts = schema.copy_texts.c
    query = (
        sa.select(texts.content, texts.text)
        .where(texts.writer.in_(writer_rows.live_digest()), texts.text.is_not(None))
        .where(texts.brief > after)
        .order_by(texts.brief)
        .limit(limit)
    )
    with ledger.read() as connection:
        return tuple(
            BriefText(brief=Brief.from_json(row.content), text=row.text)
            for row in connection.execute(query)
        )


def delete_of_live_writer(ledger: Ledger, digests: Sequence[str]) -> int:
    """Delete what the live writer made of briefs, so that it writes them again; return how many."""
    table = schema.copy_texts
    is_of_live = table.c.brief.in_(digests) & table.c.writer.in_(writer_rows.live_digest())
    with ledger.write() as connection:
        num_deleted = int(connection.execute(table.delete().where(is_of_live)).rowcount)
        text_changes.count_decided(connection)
    return num_deleted


def decide(ledger: Ledger, brief: str, action: EditAction, text: str | None, *, by: str) -> None:
    """Store an editor's decision in place of the one before.

    A pin without a text keeps the live writer's. A ban has no text. Raise UnknownCopy or
    NothingToPin.
    """
    table, texts = schema.copy_edits, schema.copy_texts.c
    with ledger.write() as connection:
        content = _content_of(connection, brief)
        if action == "pin":
            live = sa.select(texts.text).where(
                texts.brief == brief, texts.writer.in_(writer_rows.live_digest())
            )
            text = connection.execute(live).scalar()
            if text is None:
                raise NothingToPin(brief)
        connection.execute(table.delete().where(table.c.brief == brief))
        row = {
            "brief": brief,
            "action": action,
            "text": text if action != "ban" else None,
            "edited_at": ledger.now().isoformat(),
            "edited_by": by,
            "content": content,
        }
        connection.execute(table.insert().values(row))
        text_changes.count_decided(connection)


def undo(ledger: Ledger, brief: str) -> None:
    """Delete an editor's decision; raise NotEdited when there is none."""
    table = schema.copy_edits
    with ledger.write() as connection:
        if connection.execute(table.delete().where(table.c.brief == brief)).rowcount == 0:
            raise NotEdited(brief)
        text_changes.count_decided(connection)


def brief_of(ledger: Ledger, digest: str) -> Brief:
    """Return the brief with a digest; raise UnknownCopy."""
    with ledger.read() as connection:
        return Brief.from_json(_content_of(connection, digest))


def delete_old(ledger: Ledger, before: datetime) -> int:
    """Delete texts made before a time that no editor decided on; return how many."""
    texts, edits = schema.copy_texts, schema.copy_edits
    is_old = (texts.c.made_at < before.isoformat()) & texts.c.brief.not_in(sa.select(edits.c.brief))
    with ledger.write() as connection:
        num_deleted = int(connection.execute(texts.delete().where(is_old)).rowcount)
        if num_deleted:
            text_changes.count_decided(connection)
        return num_deleted


def _content_of(connection: sa.Connection, digest: str) -> str:
    """Return the JSON of a brief that was written, wanted or decided on; raise UnknownCopy."""
    for table in (schema.copy_texts, schema.copy_edits, schema.copy_wanted):
        query = sa.select(table.c.content).where(table.c.brief == digest, table.c.content != "")
        content = connection.execute(query.limit(1)).scalar()
        if content is not None:
            return str(content)
    raise UnknownCopy(digest)


def _writer_outcomes() -> sa.Select[tuple[object, ...]]:
    """Select the live writer's outcomes, with what an editor decided about them."""
    texts, edits = schema.copy_texts, schema.copy_edits.c
    columns = (texts, edits.action, edits.text.label("edited_text"), edits.edited_by)
    of_brief = texts.outerjoin(schema.copy_edits, texts.c.brief == edits.brief)
    return (
        sa.select(*columns)
        .select_from(of_brief)
        .where(texts.c.writer.in_(writer_rows.live_digest()))
    )


def _editor_decisions() -> sa.Select[tuple[object, ...]]:
    """Select what editors decided, with the live writer's outcomes."""
    texts, edits = schema.copy_texts.c, schema.copy_edits
    of_live = (texts.brief == edits.c.brief) & texts.writer.in_(writer_rows.live_digest())
    return (
        sa.select(
            edits.c.brief,
            edits.c.content,
            edits.c.action,
            edits.c.text.label("edited_text"),
            edits.c.edited_by,
            edits.c.edited_at.label("made_at"),
            texts.writer,
            texts.text,
            texts.rejected,
        )
        .select_from(edits.outerjoin(schema.copy_texts, of_live))
        .where(edits.c.content != "")
    )


def _stored_copy(row: sa.Row[tuple[object, ...]]) -> StoredCopy:
    return StoredCopy(
        digest=row.brief,
        brief=Brief.from_json(row.content),
        writer=row.writer,
        text=row.text,
        rejected=msgspec.json.decode(row.rejected or "[]", type=tuple[RejectedText, ...]),
        made_at=datetime.fromisoformat(row.made_at),
        action=row.action,
        edited_text=row.edited_text,
        edited_by=row.edited_by,
    )
