"""Check stored texts again: a newer Freshet may have stricter rules of the verifier."""

from __future__ import annotations

import logging
from threading import Event

from copywriter.verifier.check import check
from cron.ledger import copy_rows
from cron.ledger.ledger import Ledger

log = logging.getLogger(__name__)

AT_ONCE = 500  # some tenths of a second


def take_back_rejected(ledger: Ledger, stop: Event) -> int:
    """Delete the live writer's texts that the rules reject today; return how many.

    Their briefs are written again when they are shown. What an editor decided stays. Raise as the
    ledger does.
    """
    num_deleted, after = 0, ""
    while not stop.is_set():
        texts = copy_rows.texts_after(ledger, after, limit=AT_ONCE)
        if not texts:
            break
        rejected = [
            one.brief.digest() for one in texts if not check(one.text, one.brief).is_accepted
        ]
        if rejected:
            num_deleted += copy_rows.delete_of_live_writer(ledger, rejected)
        after = texts[-1].brief.digest()
    if num_deleted:
        log.info("texts taken back that the rules reject now", extra={"texts": num_deleted})
    return num_deleted
