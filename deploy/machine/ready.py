"""From started processes to a live release: what to show while waiting, and the block to show at the end.

Reads the ledger and the trainer's progress file; does not know who writes them or how the processes
are run.
"""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from tqdm import tqdm

from cron.ledger import journal_rows, release_rows, run_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Release
from cron.metrics.overview import read_progress
from cron.settings.keys import variable
from cron.settings.own_gateway import gateway_url
from cron.settings.tree import Settings
from cron.urls.torchserve import parse as parse_nodes

POLL_S = 0.4
TELL_AFTER_S = 20.0  # a gateway that starts on a busy machine is silent for some seconds
NUM_RUNS = 5  # the newest that are asked why nothing is live; turns that only wait come between
_READ_KEY = """.venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))["inference"]["key"])'"""
EXAMPLE_TITLES = (
    "Toy Story (1995)",
    "GoldenEye (1995)",
    "Star Wars (1977)",
)  # any text will do; these are in every MovieLens


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where one machine listens, from its settings."""

    gateway: str
    server_host: str
    management_port: int
    inference_port: int
    model: str
    asks_for_key: bool = False  # the gateway does
    keys: Path | None = None  # TorchServe's key file, where its tokens are on

    @property
    def metrics_port(self) -> int:
        """TorchServe's Prometheus page: the port above its management, as it is by default (8081 and 8082)."""
        return self.management_port + 1

    @property
    def predictions(self) -> str:
        """The URL of TorchServe's own endpoint."""
        return f"http://{self.server_host}:{self.inference_port}/predictions/{self.model}"

    @property
    def management(self) -> str:
        """The URL of TorchServe's management."""
        return f"http://{self.server_host}:{self.management_port}/models/{self.model}"


def endpoints(settings: Settings) -> Endpoints:
    """Return where things listen, of several nodes the first; the settings were checked when they were read."""
    server = parse_nodes(settings.store.server)[0]
    return Endpoints(
        gateway=gateway_url(settings.gateway),
        server_host=server.host,
        management_port=server.management_port,
        inference_port=server.inference_port,
        model=server.model,
        asks_for_key=settings.gateway.api_key is not None,
        keys=server.keys,
    )


def wait_for_release(
    ledger: Ledger, var: Path, check: Callable[[], None]
) -> tuple[Release, str | None]:
    """Wait until a trained release is live, or a first run has ended without one; return what is live, and why it is only the baseline.

    `check` is called at every look and raises when waiting is in vain. Shows the trainer's
    progress, and why a run made nothing live.
    """
    with Progress(ledger, var / "runs") as progress:
        while True:
            check()
            live = release_rows.live(ledger)
            if live is not None and live.version > 0:
                return live, None
            if live is not None and (why := _why_no_release(ledger)):
                return live, why
            if live is None and (why := _why_nothing_is_live(ledger)):
                progress.say(
                    f"nothing is live yet: {why}; the worker tries again by itself, and its log is {var / 'log' / 'worker.out'}"
                )
            if live is None and run_rows.open_run(ledger) is None:
                progress.show(
                    f"collecting events, {journal_rows.last_seq(ledger):,} so far",
                    once="collecting events",
                )
            else:
                progress.show(
                    "training release 1" if live is not None else "publishing the baseline"
                )
            time.sleep(POLL_S)


def wait_for_answer(where: Endpoints, check: Callable[[], None]) -> None:
    """Wait until the gateway says that a live model answers; when that takes long, tell once what it says instead."""
    url = f"{where.gateway}/readyz"
    tell_at = time.monotonic() + TELL_AFTER_S
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while (why := _why_not_ready(client, url)) is not None:
            check()
            if time.monotonic() > tell_at:
                print(f"  still waiting for {url}, which says: {why}", flush=True)
                tell_at = math.inf
            time.sleep(POLL_S)


def _why_not_ready(client: httpx.Client, url: str) -> str | None:
    try:
        answer = client.get(url)
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return None if answer.status_code == httpx.codes.OK else f"{answer.status_code} {answer.text}"


def _why_no_release(ledger: Ledger) -> str | None:
    """Say why the newest turn gave no release; None while it runs, and before there was one after the baseline's."""
    newest = next(iter(run_rows.newest(ledger, 1)), None)
    if newest is None or newest.outcome in (None, "published") or newest.mode == "baseline":
        return None
    return (
        "; ".join(reason.text for reason in newest.reasons if not reason.ok)
        or f"run {newest.run_id} was {newest.outcome}"
    )


def _why_nothing_is_live(ledger: Ledger) -> str | None:
    """Say why the newest run that ended without a release did; None when none did."""
    for run in run_rows.newest(ledger, NUM_RUNS):
        if run.outcome in ("failed", "refused"):
            return (
                "; ".join(reason.text for reason in run.reasons if not reason.ok)
                or f"run {run.run_id} was {run.outcome}"
            )
    return None


class Progress:
    """The trainer's progress file as a bar on a terminal, as a line a phase elsewhere."""

    def __init__(self, ledger: Ledger, runs: Path) -> None:
        self._ledger = ledger
        self._runs = runs
        self._bar = tqdm(
            desc="starting",
            disable=None,
            bar_format="{desc:<30} {percentage:3.0f}% |{bar}| {elapsed}",
        )
        self._phase = ""
        self._said = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, what: str, *, once: str | None = None) -> None:
        """Show what is waited for, and how far the trainer is with it; elsewhere than on a terminal `once`, if that is given."""
        run = run_rows.open_run(self._ledger)
        state = read_progress(self._runs, run.run_id) if run else None
        phase, done, total = (
            (f"{what}: {state.phase}", state.done, state.total) if state else (what, 0, 0)
        )
        self._bar.set_description(phase, refresh=False)
        self._bar.total, self._bar.n = max(total, 1), done
        self._bar.refresh()
        line = once or phase
        if self._bar.disable and line != self._phase:
            print(f"  {line}", flush=True)
            self._phase = line

    def say(self, what: str) -> None:
        """Print a sentence above the bar, once."""
        if what != self._said:
            self._bar.write(f"  {what}")
            self._said = what


def ready_block(
    live: Release, why_baseline: str | None, where: Endpoints, *, data: str, user_id: str
) -> str:
    """Return the block that ends the start: where things are, calls that work when pasted, what to try next."""
    liked, asked, other = EXAMPLE_TITLES
    lines = [
        "",
        f"ready: release {live.version} is live, trained on {data}"
        if live.version
        else f"ready: the baseline is live, over {data}",
        *(
            [
                f"  There is no trained release yet: {why_baseline}",
                "  The worker tries again by itself.",
            ]
            if why_baseline
            else []
        ),
        "",
        f"  {where.gateway}/  status page; the API is at {where.gateway}/docs",
        f"  {where.predictions}  TorchServe's endpoint",
        f"  {where.management}  its management",
        "",
        f"How would someone who liked {liked} and {other} rate {asked}?",
        f"  {_post(where, {'user_seq': [liked, other], 'item_desc': asked})}",
        "What should they see next?",
        f"  {_post(where, {'user_seq': [liked, other], 'k': 5})}",
        f"And user {user_id}, whose history is known here:",
        f"  curl -s '{where.gateway}/v1/recommendations/{quote(user_id, safe='')}?k=5'{key_option(asked=where.asks_for_key)}",
        "",
        "Then, in another terminal:",
        "  make replay      the rest of the data, as if it happened now; watch releases 2, 3, … arrive",
        "  make status      what is live, how fresh, how good",
        "  make rollback    the previous release, at once",
        "  .venv/bin/python -m cron runs    why each run did or didn't publish",
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def key_option(*, asked: bool) -> str:
    """Return what a curl command needs on top where the gateway asks for its key, which stands in the environment."""
    return f' -H "Authorization: Bearer ${variable("gateway.api_key")}"' if asked else ""


def _post(where: Endpoints, body: object) -> str:
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    token = (
        f' -H "Authorization: Bearer $({_READ_KEY} {shlex.quote(str(where.keys))})"'
        if where.keys is not None
        else ""
    )
    return f"curl -s {where.predictions} -H 'Content-Type: application/json'{token} -d {text}"
