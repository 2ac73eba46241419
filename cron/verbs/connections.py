"""Try each part that the settings name and report how it answers, for `config --check`.

Every part is tried, even after another one failed. Nothing is written, except that opening an
embedded part makes its empty file, as every verb does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cron import wiring
from cron.errors import FreshetError
from cron.ledger import journal_rows, release_rows
from cron.ports import START
from cron.services import Paths
from cron.settings.places import var_folder
from cron.settings.tree import Settings, StoreSettings
from cron.urls.passwords import hide_password
from cron.verbs.table import count


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCheck:
    """How one part answered; if it failed, `report` also says what to do."""

    part: str
    url: str
    ok: bool
    report: str


def look_json(look: ConnectionCheck) -> dict[str, object]:
    """Return a look as a JSON object."""
    return {"part": look.part, "url": look.url, "ok": look.ok, "said": look.report}


def look_at_all(settings: Settings) -> list[ConnectionCheck]:
    """Try every part, in the order in which a record passes through them."""
    store = settings.store
    tries: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("events", store.events, lambda: _events(store)),
        ("histories", store.histories, lambda: _histories(store)),
        ("artifacts", store.artifacts, lambda: _artifacts(store)),
        ("ledger", store.ledger, lambda: _ledger(store)),
        ("launcher", store.launcher, lambda: _launcher(settings)),
        ("server", store.server, lambda: _server(settings)),
    )
    return [_try(part, url, answer) for part, url, answer in tries]


def _try(part: str, url: str, answer: Callable[[], str]) -> ConnectionCheck:
    try:
        report, ok = answer(), True
    except FreshetError as error:
        report, ok = str(error), False
    return ConnectionCheck(part=part, url=hide_password(url), ok=ok, report=report)


def _events(store: StoreSettings) -> str:
    log = wiring.open_log(store.events)
    try:
        cursor = journal_rows.log_cursor(wiring.open_ledger(store.ledger))
    except FreshetError:  # the ledger's own line says why
        records = count(log.backlog(START), "record")
        return f"ok, {records}; the number that wait is in the ledger"
    return f"ok, {log.backlog(cursor):,} waiting"


def _histories(store: StoreSettings) -> str:
    histories = wiring.open_histories(store.histories)
    started = "no record followed yet" if histories.cursor() == START else "follows the log"
    return f"ok, {started}, {count(len(histories.hidden()), 'hidden item')}"


def _artifacts(store: StoreSettings) -> str:
    archives = wiring.open_artifacts(store.artifacts).names("rec-")
    return f"ok, {count(len(archives), 'archive')}"


def _ledger(store: StoreSettings) -> str:
    live = release_rows.live(wiring.open_ledger(store.ledger))
    return "ok, nothing live yet" if live is None else f"ok, release {live.version} is live"


def _launcher(settings: Settings) -> str:
    texts = Paths(var=var_folder(settings)).texts
    for url in (settings.store.launcher, *settings.worker.launchers.values()):
        wiring.open_launcher(url, text_cache=texts, artifacts=settings.store.artifacts)
    return "ok"


def _server(settings: Settings) -> str:
    var, limit_s = var_folder(settings), settings.release.drain_timeout_s
    server = wiring.open_server(settings.store.server, var=var, drain_timeout_s=limit_s)
    versions = server.versions()
    ready = ", ".join(str(one.version) for one in versions if one.ready)
    loading = ", ".join(str(one.version) for one in versions if not one.ready)
    states = []
    if ready:
        states.append(f"serves {ready}")
    if loading:
        states.append(f"not ready: {loading}")
    return f"ok, {'; '.join(states) or 'empty'}"
