"""Everything that the gateway's calls reach, opened once: log, histories, ledger, the model server, figures.

Knows how they are put together; does not know HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cron import wiring
from cron.forgetting.request import Forgotten, forget
from cron.journal.dead_letters import DeadLetters
from cron.ledger import release_rows, switches
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger
from cron.metrics.ledger_metrics import LedgerMetrics
from cron.metrics.overview import Overview, look
from cron.ports import EventLog, Histories
from cron.services import Paths
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.urls.torchserve import parse as parse_nodes
from gateway.http.request_body import Bodies
from gateway.intake.intake import Intake
from gateway.intake.record_ids import RecordIds
from gateway.metrics import GatewayMetrics
from gateway.model.inference import Inference
from gateway.model.live_release import LiveRelease
from gateway.model.readiness import Readiness
from gateway.model.recommendations import Recommendations
from gateway.waiting_queue import WaitingQueue

ANSWERS_AT_ONCE = 64  # two of the model's batches: one is computed while the other fills
RECORD_CALLS_AT_ONCE = 8  # each is a thread; the log takes one at a time
MAX_RECORDS_WAIT_S = 5.0  # a sender of events is a program, and would have to send them again
MAX_BODIES_BYTES = (
    64 * 1024 * 1024
)  # of all calls together; as records a body takes several times its bytes


class Overviews:
    """Looks at the whole system; blocks, so call it off the event loop."""

    def __init__(self, ledger: Ledger, event_log: EventLog, runs_folder: Path) -> None:
        self._ledger = ledger
        self._log = event_log
        self._runs_folder = runs_folder

    def look(self) -> Overview:
        """Read the overview now."""
        return look(self._ledger, self._log, self._runs_folder, now=datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayServices:
    """What a call may use. All are safe to share by threads."""

    settings: Settings
    histories: Histories
    inference: Inference
    intake: Intake
    recommendations: Recommendations
    metrics: GatewayMetrics
    overviews: Overviews
    forget: Callable[[str], Forgotten]
    readiness: Readiness
    bodies: Bodies
    answer_queue: WaitingQueue
    record_queue: WaitingQueue


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[GatewayServices]:
    """Open everything by its URL, and close the connections in the end; raise Unavailable."""
    event_log = wiring.open_log(settings.store.events)
    ledger = wiring.open_ledger(settings.store.ledger)
    histories = wiring.open_histories(settings.store.histories, keys_of(ledger).of_user)
    paths = Paths(var=var_folder(settings))
    letters = DeadLetters(paths.var / "dead-letters.jsonl")
    live = LiveRelease(
        lambda: switches.serving(ledger), lambda version: release_rows.release(ledger, version)
    )
    inference = Inference(
        parse_nodes(settings.store.server),
        live,
        timeout_s=settings.gateway.inference_timeout_s,
    )
    overviews = Overviews(ledger, event_log, paths.runs)
    try:
        yield GatewayServices(
            settings=settings,
            histories=histories,
            inference=inference,
            intake=Intake(event_log, histories, letters, new_id=RecordIds()),
            recommendations=Recommendations(
                histories, inference, live, max_history=settings.train.model.max_history
            ),
            metrics=GatewayMetrics(
                LedgerMetrics(ledger, overviews.look, lambda: event_log.backlog(histories.cursor()))
            ),
            overviews=overviews,
            forget=partial(forget, ledger, histories, letters, asked_by="the gateway"),
            readiness=Readiness(inference),
            bodies=Bodies(max_bytes=MAX_BODIES_BYTES),
            # whoever waited half of the model's time for their turn still has an answer within the
            # usual patience
            answer_queue=WaitingQueue(
                at_once=ANSWERS_AT_ONCE, max_wait_s=settings.gateway.inference_timeout_s / 2
            ),
            record_queue=WaitingQueue(at_once=RECORD_CALLS_AT_ONCE, max_wait_s=MAX_RECORDS_WAIT_S),
        )
    finally:
        await inference.close()
        ledger.close()
