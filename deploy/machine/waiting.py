"""From started processes to a live release: what is shown while `make serve` waits.

Reads the ledger, the trainer's progress file and the gateway's readiness.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from tqdm import tqdm

from cron.ledger import journal_rows, release_rows, run_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Release
from cron.metrics.overview import read_progress
from deploy.machine.endpoints import Endpoints
from recommender.long_work import LINE_EVERY_S, PhaseLines

POLL_S = 0.4
REPORT_AFTER_S = 20.0  # a gateway that starts on a busy machine does not answer for some seconds
# With tens of millions of events the first training takes hours; the baseline answers until then.
PATIENCE_S = 900.0
NUM_RUNS = 5  # the newest ones that may say why nothing is live; runs that only wait come between


def wait_until_ready(
    ledger: Ledger, var: Path, check: Callable[[], None], *, wait_for_gateway: Callable[[], None]
) -> tuple[Release, str | None]:
    """Wait for a release and for the gateway; return what is then live, as `wait_for_release`.

    A rollback of a stopped system is carried out by the worker before the gateway can answer, so
    the release that was live at first may no longer be.
    """
    live, why_baseline = wait_for_release(ledger, var, check)
    wait_for_gateway()
    return release_rows.live(ledger) or live, why_baseline


def wait_for_release(
    ledger: Ledger, var: Path, check: Callable[[], None], *, patience_s: float = PATIENCE_S
) -> tuple[Release, str | None]:
    """Wait for a trained release, or for the end of a first run that did not make one.

    Return what is live, and why it is only the baseline. A training is waited for at most
    `patience_s` once the baseline is live. Shows the trainer's progress, and why a run made nothing
    live. `check` is called at every look; it raises if waiting is pointless.
    """
    with StartProgress(ledger, var / "runs") as progress:
        while True:
            check()
            live = release_rows.live(ledger)
            if live is not None and live.version > 0:
                return live, None
            if live is not None and (why := _why_no_release(ledger)):
                return live, f"{why}; the worker tries again by itself"
            if live is None and (why := _why_nothing_is_live(ledger)):
                log = var / "log" / "worker.out"
                progress.say(
                    f"nothing is live yet: {why}; the worker tries again by itself, and its log "
                    f"is {log}"
                )
            if live is None and run_rows.open_run(ledger) is None:
                num_events = journal_rows.last_seq(ledger)
                progress.show("collecting events", how_far=f"{num_events:,} so far")
            elif live is None:
                progress.show("publishing the baseline")
            else:
                progress.show("training release 1")
            if live is not None and progress.shown_s > patience_s:
                return live, f"{progress.state}, which goes on and goes live by itself"
            time.sleep(POLL_S)


def wait_for_answer(
    where: Endpoints, check: Callable[[], None], *, report_after_s: float = REPORT_AFTER_S
) -> None:
    """Wait until the gateway reports a live model; if that takes long, print once what it says."""
    url = f"{where.gateway}/readyz"
    report_at = time.monotonic() + report_after_s
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while (why := _why_not_ready(client, url)) is not None:
            check()
            if time.monotonic() > report_at:
                print(f"  still waiting for {url}, which says: {why}", flush=True)
                report_at = math.inf
            time.sleep(POLL_S)


class StartProgress:
    """The trainer's progress file, as a bar on a terminal and as lines elsewhere."""

    def __init__(self, ledger: Ledger, runs: Path, *, every_s: float = LINE_EVERY_S) -> None:
        self._ledger = ledger
        self._runs = runs
        self._bar = tqdm(
            desc="starting",
            disable=None,
            bar_format="{desc:<30} {percentage:3.0f}% |{bar}| {elapsed}",
        )
        self._lines = PhaseLines(lambda line: print(f"  {line}", flush=True), every_s=every_s)
        self._what = ""
        self._began_s = time.monotonic()
        self._state = ""
        self._last = ""

    def __enter__(self) -> StartProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, what: str, *, how_far: str = "") -> None:
        """Show what is waited for, and the trainer's progress or else `how_far` it is."""
        run = run_rows.open_run(self._ledger)
        now = self._ledger.now()
        state = read_progress(self._runs, run.run_id, now=now) if run else None
        phase, done, total = what, 0, 0
        if state:
            phase, done, total = f"{what}: {state.phase}", state.done, state.total
            if state.starts > 1:
                phase = f"{phase}, start {state.starts}"
        if what != self._what:
            self._what, self._began_s = what, time.monotonic()
        share_done = done / max(total, 1)
        far = f"{share_done:.0%} done" if share_done else how_far
        self._state = ", ".join(part for part in (phase, far) if part)
        if self._bar.disable:
            self._lines.show(phase, far)
            return
        words = phase if state else self._state
        self._bar.set_description(words, refresh=False)
        self._bar.total, self._bar.n = max(total, 1), done
        self._bar.refresh()

    @property
    def shown_s(self) -> float:
        """The seconds since the current activity began, all of its phases included."""
        return time.monotonic() - self._began_s

    @property
    def state(self) -> str:
        """The text that was shown last, with the share that is done if it is known."""
        return self._state

    def say(self, what: str) -> None:
        """Print a sentence above the bar, once."""
        if what != self._last:
            self._bar.write(f"  {what}")
            self._last = what


def _why_not_ready(client: httpx.Client, url: str) -> str | None:
    try:
        answer = client.get(url)
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return None if answer.status_code == httpx.codes.OK else f"{answer.status_code} {answer.text}"


def _why_no_release(ledger: Ledger) -> str | None:
    """Return why the newest run gave no release; None while it runs, and for the baseline's."""
    newest = next(iter(run_rows.newest(ledger, 1)), None)
    if newest is None or newest.outcome in (None, "published") or newest.mode == "baseline":
        return None
    return (
        "; ".join(reason.text for reason in newest.reasons if not reason.ok)
        or f"run {newest.run_id} was {newest.outcome}"
    )


def _why_nothing_is_live(ledger: Ledger) -> str | None:
    """Return why the newest run that failed or was refused did so; None if none did."""
    for run in run_rows.newest(ledger, NUM_RUNS):
        if run.outcome in ("failed", "refused"):
            return (
                "; ".join(reason.text for reason in run.reasons if not reason.ok)
                or f"run {run.run_id} was {run.outcome}"
            )
    return None
