"""The gateway's services, opened once: event log, histories, ledger, model server, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cron import wiring
from cron.forgetting.request import Forgotten, forget
from cron.journal.dead_letters import DeadLetters
from cron.ledger import (
    experiment_rows,
    journal_rows,
    key_rows,
    release_rows,
    shown_pictures,
    switches,
    trial_rows,
)
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger
from cron.metrics.copy_metrics import CopyMetrics
from cron.metrics.ledger_metrics import LedgerMetrics
from cron.metrics.overview import Overview, look
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.ports import START, EventLog, Histories, ItemRecords
from cron.rebuild_marks import is_mark
from cron.services import Paths
from cron.serving.decisions import Decisions
from cron.settings.places import var_folder
from cron.settings.tree import GatewaySettings, Settings
from cron.urls.torchserve import parse as parse_nodes
from gateway.callers.call_limits import CallLimits
from gateway.callers.flood_limits import FloodLimits
from gateway.callers.keyring import Keyring
from gateway.callers.visitors import VisitorRules
from gateway.content.request_body import RequestBodies
from gateway.copy.services import CopyServices, copy_services
from gateway.experiments.arm_answers import EVERY_S as FLUSHED_EVERY_S
from gateway.experiments.arm_answers import ArmAnswers
from gateway.experiments.running import RunningExperiments
from gateway.experiments.running_trial import RunningTrial
from gateway.following import follow
from gateway.intake.fact_changes import FactChanges
from gateway.intake.foreign_intake import ForeignIntake
from gateway.intake.item_changes import ItemChanges
from gateway.intake.record_changes import RecordChanges
from gateway.intake.record_groups import RecordGroups
from gateway.intake.record_ids import RecordIds
from gateway.intake.record_intake import RecordIntake
from gateway.items.pictures import ItemPictures
from gateway.items.rankings import ItemRankings
from gateway.metrics import GatewayMetrics
from gateway.model.fallback import Fallback
from gateway.model.inference import Inference
from gateway.model.lately_hidden import EVERY_S as HIDDEN_EVERY_S
from gateway.model.lately_hidden import LatelyHidden
from gateway.model.live_release import LiveRelease
from gateway.model.readiness import Readiness
from gateway.model.recommendations import Recommendations
from gateway.model.search import Search
from gateway.model.shadow import Shadow
from gateway.model.similar_items import SimilarItems
from gateway.personalizer.loop import LEARNED_EVERY_S, PersonalizerLoop
from gateway.placements.lists import ListExperiments, PlacementLists
from gateway.placements.named import NamedPlacements
from gateway.shared_counts import EVERY_S as PUBLISHED_EVERY_S
from gateway.shared_counts import SharedCounts, counts_folder
from gateway.slates.recorder import SlateRecorder, running_recorder
from gateway.waiting_queue import WaitingQueue

ANSWERS_AT_ONCE = 64  # two batches of the model: one is computed while the other fills
RECORD_CALLS_AT_ONCE = 8  # each is a thread; the log takes one at a time
PLAIN_CALLS_AT_ONCE = 64  # of at most 20 KiB; they share the transactions of two threads
MAX_RECORDS_WAIT_S = 5.0  # a sender of events is a program, and would have to send them again
# popular, trending and new items: each may read thousands of records, in a thread that calls with
# events need too
LISTS_AT_ONCE = 2
MAX_LISTS_WAIT_S = 5.0
# bodies with many questions; each asks the model for several lists at a time
BATCHES_AT_ONCE = 2
MAX_BATCHES_WAIT_S = 5.0
# of all calls together; as records a body takes several times its bytes
MAX_BODIES_BYTES = 64 * 1024 * 1024


def _bodies() -> RequestBodies:
    return RequestBodies(max_bytes=MAX_BODIES_BYTES)


def _record_queue() -> WaitingQueue:
    return WaitingQueue(at_once=RECORD_CALLS_AT_ONCE, max_wait_s=MAX_RECORDS_WAIT_S)


def _plain_queue() -> WaitingQueue:
    return WaitingQueue(at_once=PLAIN_CALLS_AT_ONCE, max_wait_s=MAX_RECORDS_WAIT_S)


def _list_queue() -> WaitingQueue:
    return WaitingQueue(at_once=LISTS_AT_ONCE, max_wait_s=MAX_LISTS_WAIT_S)


def _batch_queue() -> WaitingQueue:
    return WaitingQueue(at_once=BATCHES_AT_ONCE, max_wait_s=MAX_BATCHES_WAIT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayServices:
    """What the calls may use. Threads may share all of it. `overview` blocks."""

    settings: Settings
    keyring: Keyring
    call_limits: CallLimits
    visitors: VisitorRules
    histories: Histories
    item_records: ItemRecords
    item_changes: ItemChanges
    fact_changes: FactChanges
    item_rankings: ItemRankings
    similar_items: SimilarItems
    pictures: ItemPictures
    search: Search
    live: LiveRelease
    inference: Inference
    intake: RecordIntake
    foreign: ForeignIntake
    placements: NamedPlacements
    lists: PlacementLists
    copy: CopyServices
    slates: SlateRecorder
    personalizer: PersonalizerLoop
    metrics: GatewayMetrics
    overview: Callable[[], Overview]
    decisions: Decisions
    forget: Callable[[str], Forgotten]
    readiness: Readiness
    answer_queue: WaitingQueue
    record_groups: RecordGroups
    bodies: RequestBodies = field(default_factory=_bodies)
    record_queue: WaitingQueue = field(default_factory=_record_queue)
    plain_queue: WaitingQueue = field(default_factory=_plain_queue)
    list_queue: WaitingQueue = field(default_factory=_list_queue)
    batch_queue: WaitingQueue = field(default_factory=_batch_queue)


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[GatewayServices]:
    """Open every service by its URL, and end at the end what works by itself; raise Unavailable."""
    log = wiring.open_log(settings.store.events)
    ledger = wiring.open_ledger(settings.store.ledger)
    histories = wiring.open_gateway_histories(settings, keys_of(ledger).of_user)
    item_records = wiring.open_item_records(settings.store.histories)
    inference = _inference(settings, live := _live_release(ledger))
    keyring, experiments = _keyring(settings.gateway, ledger), _experiments(ledger)
    placements, personalizer = _placements(settings, ledger), _personalizer(settings, ledger)
    shadow = _shadow(ledger, inference, experiments.trial)
    recommendations = _recommendations(settings, histories, item_records, inference, live, shadow)
    lists = _lists(settings, recommendations, placements, item_records, experiments)
    letters = DeadLetters(var_folder(settings) / "dead-letters.jsonl")
    intake = RecordIntake(log, histories, item_records, letters, new_id=RecordIds())
    overview = partial(_overview, ledger, log, Paths(var=var_folder(settings)).runs)
    metrics = _metrics(settings, ledger, overview, lambda: log.backlog(histories.cursor()))
    copy = copy_services(settings, ledger, lists, item_records, live, log)
    close = [one.close for one in (copy, experiments.answers, shadow, inference, histories, ledger)]
    tasks = _tasks(keyring, placements, experiments, personalizer, shadow, recommendations)
    async with _follower(tasks, copy, metrics, close), _recorder(settings, log, metrics) as slates:
        yield GatewayServices(
            settings=settings,
            keyring=keyring,
            call_limits=_call_limits(settings.gateway, metrics),
            visitors=_visitor_rules(settings.gateway, metrics),
            histories=histories,
            inference=inference,
            item_records=item_records,
            item_changes=ItemChanges(item_records, writes := _writes(ledger, item_records, intake)),
            fact_changes=FactChanges(item_records, writes),
            item_rankings=ItemRankings(item_records),
            similar_items=SimilarItems(histories, item_records, inference),
            pictures=_pictures(settings, ledger, histories),
            search=_search(settings, histories, inference, experiments.trial),
            live=live,
            intake=intake,
            foreign=ForeignIntake(intake, new_id=RecordIds()),
            placements=placements,
            lists=lists,
            copy=copy,
            slates=slates,
            personalizer=personalizer,
            metrics=metrics,
            overview=overview,
            decisions=wiring.open_decisions(settings, ledger),
            forget=partial(forget, ledger, histories, letters, asked_by="the gateway"),
            readiness=Readiness(inference),
            answer_queue=_answer_queue(settings.gateway),
            record_groups=RecordGroups(intake),
        )


@asynccontextmanager
async def _follower(
    tasks: Sequence[Awaitable[None]],
    copy: CopyServices,
    metrics: GatewayMetrics,
    close: Sequence[Callable[[], None]],
) -> AsyncIterator[None]:
    """Run tasks again and again; at the end cancel them, then close."""
    publishing = follow(metrics.publish, what="counts of calls", every_s=PUBLISHED_EVERY_S)
    texts = follow(copy.refresh, what="texts about items")
    following = asyncio.gather(*tasks, texts, copy.ahead.keep_preparing(), publishing)
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        for close_one in close:
            close_one()


def _tasks(
    keyring: Keyring,
    placements: NamedPlacements,
    experiments: ListExperiments,
    personalizer: PersonalizerLoop,
    shadow: Shadow,
    recommendations: Recommendations,
) -> Sequence[Awaitable[None]]:
    """Return the tasks that read the stores, or write to the ledger, again and again."""
    return (
        follow(keyring.refresh, what="keys"),
        follow(placements.refresh, what="placements"),
        follow(placements.posteriors.refresh, what="the posterior of rewards"),
        follow(experiments.running.refresh, what="experiments"),
        follow(experiments.trial.refresh, what="the trial"),
        follow(personalizer.refresh, what="choices of actions", every_s=LEARNED_EVERY_S),
        follow(experiments.answers.flush, what="answers of arms", every_s=FLUSHED_EVERY_S),
        follow(shadow.flush, what="shadow answers", every_s=FLUSHED_EVERY_S),
        follow(recommendations.refresh_hidden, what="hidden items", every_s=HIDDEN_EVERY_S),
        shadow.keep_asking(),
    )


def _inference(settings: Settings, live: LiveRelease) -> Inference:
    nodes = parse_nodes(settings.store.server)
    return Inference(nodes, live, timeout_s=settings.gateway.inference_timeout_s)


def _metrics(
    settings: Settings, ledger: Ledger, overview: Callable[[], Overview], backlog: Callable[[], int]
) -> GatewayMetrics:
    of_ledger = LedgerMetrics(ledger, overview, backlog)
    shared = SharedCounts(counts_folder(settings)) if settings.gateway.processes > 1 else None
    return GatewayMetrics(of_ledger, CopyMetrics(ledger, settings.copy), shared=shared)


def _placements(settings: Settings, ledger: Ledger) -> NamedPlacements:
    placements = NamedPlacements(settings.placements, ledger)
    placements.refresh()
    placements.posteriors.refresh()
    return placements


def _personalizer(settings: Settings, ledger: Ledger) -> PersonalizerLoop:
    personalizer = PersonalizerLoop(ledger, settings.personalizer)
    personalizer.refresh()
    return personalizer


def _pictures(settings: Settings, ledger: Ledger, histories: Histories) -> ItemPictures:
    def open_files() -> ThumbnailFiles:
        artifacts = wiring.open_artifacts(settings.store.artifacts)
        return ThumbnailFiles(artifacts, Paths(var=var_folder(settings)).pictures)

    return ItemPictures(
        partial(shown_pictures.thumbnails_of, ledger),
        partial(shown_pictures.more_thumbnails_of, ledger),
        histories,
        open_files,
    )


def _recommendations(
    settings: Settings,
    histories: Histories,
    item_records: ItemRecords,
    inference: Inference,
    live: LiveRelease,
    shadow: Shadow,
) -> Recommendations:
    return Recommendations(
        histories,
        inference,
        Fallback(histories, item_records, live),
        LatelyHidden(histories, item_records, live),
        max_history=settings.train.model.max_history,
        shadow=shadow,
    )


def _lists(
    settings: Settings,
    recommendations: Recommendations,
    placements: NamedPlacements,
    item_records: ItemRecords,
    experiments: ListExperiments,
) -> PlacementLists:
    return PlacementLists(
        recommendations,
        placements,
        item_records,
        experiments,
        private_attributes=settings.gateway.private_attributes,
    )


def _search(
    settings: Settings, histories: Histories, inference: Inference, trial: RunningTrial
) -> Search:
    max_history = settings.train.model.max_history
    return Search(histories, inference, trial.version_for, max_history=max_history)


def _recorder(
    settings: Settings, event_log: EventLog, metrics: GatewayMetrics
) -> AbstractAsyncContextManager[SlateRecorder]:
    append = event_log.append if settings.slates.record else None
    return running_recorder(append, metrics.count_slates)


def _shadow(ledger: Ledger, inference: Inference, trial: RunningTrial) -> Shadow:
    return Shadow(inference, lambda: trial.trial, partial(trial_rows.add_shadow, ledger))


def _experiments(ledger: Ledger) -> ListExperiments:
    running = RunningExperiments(partial(experiment_rows.running, ledger))
    running.refresh()
    answers = ArmAnswers(partial(experiment_rows.add_answers, ledger))
    trial = RunningTrial(partial(trial_rows.answering, ledger))
    trial.refresh()
    return ListExperiments(running=running, trial=trial, answers=answers)


def _answer_queue(gateway: GatewaySettings) -> WaitingQueue:
    # a call that waited half of the model's time still answers within a client's patience
    return WaitingQueue(at_once=ANSWERS_AT_ONCE, max_wait_s=gateway.inference_timeout_s / 2)


def _keyring(gateway: GatewaySettings, ledger: Ledger) -> Keyring:
    keyring = Keyring(gateway.api_key, partial(key_rows.every, ledger))
    keyring.refresh()
    return keyring


def _overview(ledger: Ledger, event_log: EventLog, runs: Path) -> Overview:
    return look(ledger, event_log, runs, now=datetime.now(UTC))


def _writes(ledger: Ledger, item_records: ItemRecords, intake: RecordIntake) -> RecordChanges:
    is_filling = partial(_is_filling, ledger, item_records)
    return RecordChanges(intake, new_id=RecordIds(), is_filling=is_filling)


def _is_filling(ledger: Ledger, item_records: ItemRecords) -> bool:
    place = item_records.cursor()
    is_lost = place == START and journal_rows.log_cursor(ledger) != START
    return is_lost or is_mark(place)


def _live_release(ledger: Ledger) -> LiveRelease:
    return LiveRelease(
        lambda: switches.serving(ledger), lambda version: release_rows.release(ledger, version)
    )


def _call_limits(gateway: GatewaySettings, metrics: GatewayMetrics) -> CallLimits:
    return CallLimits(
        key_calls_s=gateway.key_calls_s,
        address_calls_s=gateway.address_calls_s,
        on_refusal=metrics.count_limited,
    )


def _visitor_rules(gateway: GatewaySettings, metrics: GatewayMetrics) -> VisitorRules:
    return VisitorRules(
        types=gateway.browser_types,
        id_chars=gateway.browser_id_chars,
        private_attributes=gateway.private_attributes,
        floods=FloodLimits(
            user_events_min=gateway.user_events_min,
            item_events_min=gateway.item_events_min,
            on_refusal=metrics.count_limited,
        ),
    )
