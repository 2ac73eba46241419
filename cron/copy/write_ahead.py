"""Writes the texts that were wanted most, within the budget of the hour.

It costs once: a text is stored under the digests of its brief and its writer. When the writer is
away nothing is lost but time, since answers have templates meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from copywriter.brief import Brief
from copywriter.writing.verified import VerifiedTexts, write_verified
from copywriter.writing.writer import CopyWriter
from cron.copy_errors import WriterRefused
from cron.errors import FreshetError, ServerRefused, Unavailable
from cron.ledger import copy_cost_rows, copy_rows, wanted_rows
from cron.ledger.copy_cost_rows import CopyCost
from cron.ledger.ledger import Ledger
from cron.settings.copy_settings import CopySettings

log = logging.getLogger(__name__)

_LOOKED_AT = 200  # of the wanted briefs, at a time
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyWork:
    """What a turn of writing needs; it ends early when `stop` is set."""

    ledger: Ledger
    settings: CopySettings
    open_writer: Callable[[], CopyWriter | None]
    stop: threading.Event
    monotonic: Callable[[], float] = time.monotonic


def write_ahead(work: CopyWork) -> int:
    """Write until nothing is wanted, or the budget is spent; return how many texts were stored.

    Raise Unavailable when the ledger does not answer.
    """
    _delete_old(work)
    writer = work.open_writer()
    num_stored, at_once = 0, work.settings.at_once
    while writer is not None and not work.stop.is_set() and has_budget(work):
        briefs = _next_briefs(work, writer, at_once)
        if not briefs:
            break
        final = _write_some(work, writer, briefs)
        wanted_rows.delete(work.ledger, final)
        num_stored += len(final)
        if not final and len(briefs) == 1:
            break  # later, when the writer is back or the machine is less busy
        if not final:
            at_once = 1  # a slow machine may finish one text in the time
    return num_stored


def _write_some(work: CopyWork, writer: CopyWriter, briefs: Sequence[Brief]) -> frozenset[str]:
    """Write and store texts; return the digests of the briefs that need no further try."""
    try:
        made = write_and_store(work, writer, briefs, within_s=work.settings.timeout_s)
    except (Unavailable, ServerRefused, WriterRefused) as error:
        log.warning("texts not written; templates are shown", extra={"why": str(error)})
        return frozenset()
    return frozenset(one.brief.digest() for one in made.texts if one.is_final)


def write_and_store(
    work: CopyWork, writer: CopyWriter, briefs: Sequence[Brief], *, within_s: float
) -> VerifiedTexts:
    """Write texts, store their outcomes, and add what they cost.

    A call that fails costs its seconds: a writer that is too slow keeps a processor busy too.
    """
    began = work.monotonic()
    try:
        made = write_verified(writer, briefs, seed=0, within_s=within_s)
    except FreshetError:
        copy_cost_rows.add(work.ledger, CopyCost(seconds=work.monotonic() - began))
        raise
    copy_rows.store(work.ledger, writer.digest, made.texts)
    num_written = sum(one.source == "writer" for one in made.texts)
    num_final = sum(one.is_final for one in made.texts)
    copy_cost_rows.add(
        work.ledger,
        CopyCost(
            seconds=work.monotonic() - began,
            cost=_price(work.settings, made),
            prompt_tokens=made.prompt_tokens,
            output_tokens=made.output_tokens,
            num_written=num_written,
            num_templates=num_final - num_written,
        ),
    )
    return made


def _next_briefs(work: CopyWork, writer: CopyWriter, at_most: int) -> list[Brief]:
    """Return the most wanted briefs that have no outcome; forget those that have one."""
    wanted = {brief.digest(): brief for brief in wanted_rows.most_wanted(work.ledger, _LOOKED_AT)}
    left = copy_rows.without_outcome(work.ledger, writer.digest, list(wanted))
    useful = [
        digest
        for digest in wanted
        if digest in left and wanted[digest].language in work.settings.languages
    ]
    useless = frozenset(wanted) - frozenset(useful)
    if useless:
        wanted_rows.delete(work.ledger, useless)
    return [wanted[digest] for digest in useful[:at_most]]


def has_budget(work: CopyWork) -> bool:
    """Return whether more may be written in this hour."""
    spent, settings = copy_cost_rows.this_hour(work.ledger), work.settings
    is_affordable = settings.cost_per_hour is None or spent.cost < settings.cost_per_hour
    return is_affordable and spent.seconds < settings.seconds_per_hour


def _price(settings: CopySettings, made: VerifiedTexts) -> float:
    prompt = made.prompt_tokens * settings.prompt_price
    return (prompt + made.output_tokens * settings.output_price) / _MILLION


def _delete_old(work: CopyWork) -> None:
    before = work.ledger.now() - timedelta(days=work.settings.keep_days)
    copy_rows.delete_old(work.ledger, before)
    wanted_rows.delete_old(work.ledger, before)
