"""One text written now, within a deadline: for a call that waits for it."""

from __future__ import annotations

import logging

from copywriter.brief import Brief
from copywriter.ready_text import ReadyText
from cron.copy.write_ahead import CopyWork, has_budget, write_and_store
from cron.errors import FreshetError
from cron.ledger import copy_rows

log = logging.getLogger(__name__)


def write_now(work: CopyWork, brief: Brief, within_s: float) -> ReadyText | None:
    """Return a text that the verifier accepts; None if there is none in time, for the template.

    What was written is stored, so the next call has it. It counts towards the hour's budget.
    """
    try:
        writer = work.open_writer()
        if writer is None or brief.language not in work.settings.languages:
            return None
        is_open = copy_rows.without_outcome(work.ledger, writer.digest, [brief.digest()])
        if not is_open or not has_budget(work):
            return None
        (made,) = write_and_store(work, writer, [brief], within_s=within_s).texts
    except FreshetError as error:
        log.warning("no text written; the template is shown", extra={"why": str(error)})
        return None
    return ReadyText(text=made.text, source="writer") if made.source == "writer" else None
