"""Marks that a rebuild of the item records stores in place of the log's cursor."""

from __future__ import annotations

import secrets

from cron.ports import START, Cursor

_PREFIX = "rebuild:"


def new_mark() -> Cursor:
    """Return the mark of a new rebuild; no other rebuild has it."""
    return Cursor(f"{_PREFIX}{secrets.token_hex(8)}:0")


def next_mark(mark: Cursor) -> Cursor:
    """Return the mark of the same rebuild after one more chunk."""
    rebuild, number = mark.rsplit(":", 1)
    return Cursor(f"{rebuild}:{int(number) + 1}")


def is_place(cursor: Cursor) -> bool:
    """Return whether this is a place in the log: neither a mark nor START."""
    return cursor != START and not is_mark(cursor)


def is_mark(cursor: Cursor) -> bool:
    """Return whether this is the mark of a rebuild, not a place in the log."""
    return cursor.startswith(_PREFIX)
