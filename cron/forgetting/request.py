"""Forget a user: what goes at once (histories, dead letters); `erase_users` does the rest.

The ledger is updated first: from then on neither the journal, nor a rebuild of the histories, nor a
snapshot contains what the user did before. Then the histories and this machine's dead letters are
cleaned. After a failure, calling it again completes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cron.errors import WrongUserId
from cron.journal.dead_letters import DeadLetter, DeadLetters
from cron.ledger import forgotten
from cron.ledger.ledger import Ledger
from cron.ports import Histories
from recommender.records.ids import MAX_ID_CHARS, is_id_text

_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9A-Fa-f]{4})|(?P<sign>[\"\\/]))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was done at once: events up to `up_to` stay out, and dead letters were deleted."""

    user_id: str
    up_to: datetime
    num_letters: int


def forget(
    ledger: Ledger, histories: Histories, letters: DeadLetters, user_id: str, *, asked_by: str
) -> Forgotten:
    """Forget a user. Raise WrongUserId for an invalid id, or Unavailable: then ask again.

    Ids with control characters are no longer accepted, but may be from before and can be forgotten.
    """
    check_user_id(user_id)
    now, user_key = ledger.now(), forgotten.keys_of(ledger).of_user(user_id)
    forgotten.record(ledger, user_key, up_to=now, asked_by=asked_by)
    up_to = histories.forget(user_id, at=now)
    mark = forgotten.record(ledger, user_key, up_to=up_to, asked_by=asked_by)
    return Forgotten(
        user_id=user_id, up_to=mark.up_to, num_letters=letters.drop(_mentions(user_id))
    )


def check_user_id(user_id: str) -> None:
    """Raise WrongUserId for a text that never was a valid user id."""
    if not is_id_text(user_id):
        raise WrongUserId(
            user_id, expected=f"a non-empty text of at most {MAX_ID_CHARS} characters"
        )


def user_of(letter: DeadLetter) -> str | None:
    """Return the user named by a letter's record; None if it is not a JSON object or names none."""
    try:
        raw = json.loads(letter.raw)
    except (ValueError, RecursionError):
        return None
    user_id = raw.get("user_id") if isinstance(raw, dict) else None
    return str(user_id) if isinstance(user_id, str | int) else None


def _mentions(user_id: str) -> Callable[[DeadLetter], bool]:
    """Return a test for letters about a user: by the record, else by the id as a whole word.

    Many senders escape `ü` as `\\u00fc`, and the letter of a truncated or invalid record keeps it.
    """
    word = re.compile(rf"(?<!\w){re.escape(user_id)}(?!\w)")

    def is_about(letter: DeadLetter) -> bool:
        named = user_of(letter)
        return (
            named == user_id
            if named is not None
            else bool(word.search(letter.raw) or word.search(_unescape(letter.raw)))
        )

    return is_about


def _unescape(text: str) -> str:
    """Return a text with JSON's escapes decoded; everything else stays."""
    read = _ESCAPE.sub(
        lambda found: chr(int(found["code"], 16)) if found["code"] else found["sign"], text
    )
    # An emoji is two escapes.
    return read.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
