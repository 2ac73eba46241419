"""What texts add to a list of a running shop, over HTTP and in a browser.

The shop is the demo with its templates. Plain lists, lists with reasons and lists with texts are
asked for in random order, by one client, so that other work on the machine hits all of them. The
browser is Chromium on `/shop`: from asking for a row until its items are in the page.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Mapping, Sequence
from statistics import median, quantiles

import httpx
from playwright.sync_api import Page, sync_playwright

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.freshness import running_machine

BENCH = "copy-shown"
NUM_LISTS, QUICK_LISTS = 1_000, 40  # of each kind
NUM_ROWS, QUICK_ROWS = 200, 20
NUM_USERS, LENGTH = 200, 10
KINDS: Mapping[str, Mapping[str, bool]] = {
    "plain": {},
    "with reasons": {"explain": True},
    "with texts": {"copy": True},
    "with reasons and texts": {"explain": True, "copy": True},
}
# from the question to the row in the page, as the shop shows it
_SHOW_ROW = """
async (copy) => {
  const began = performance.now();
  await showRow("picked", "Picked for you", () => freshet.recommend({ ...ROW, copy }));
  return performance.now() - began;
}
"""


def measure_shown(command: str) -> None:
    """Start the demo, measure lists and rows, and write the page of results."""
    with running_machine() as (machine, _):
        assert machine.cron("pause").returncode == 0
        rows = [*measure_lists_of(machine.gateway), *measure_rows_of(machine.gateway)]
    save(BENCH, "MovieLens 100K, the demo", rows, command=command)


def measure_lists_of(gateway: str) -> list[BenchMetric]:
    """Return what lists of each kind take, and what texts add to reasons."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    draw = random.Random(0)
    with httpx.Client(base_url=gateway, timeout=30.0, trust_env=False) as client:
        for user, kind in _in_any_order(QUICK_LISTS if is_quick() else NUM_LISTS, KINDS, draw):
            body = {"user_id": str(user), "k": LENGTH, **KINDS[kind]}
            began = time.perf_counter()
            client.post("/v1/recommendations", json=body).raise_for_status()
            found[kind].append(1000 * (time.perf_counter() - began))
    rows = [one for kind, times in found.items() for one in _rows_of(f"a list {kind}", times)]
    added = median(found["with reasons and texts"]) - median(found["with reasons"])
    metric = "what texts add to a list with reasons: p50"
    return [*rows, BenchMetric(metric=metric, value=added, unit="ms")]


def measure_rows_of(gateway: str) -> list[BenchMetric]:
    """Return what a row takes in a browser without and with texts."""
    found: dict[str, list[float]] = {"without texts": [], "with texts": []}
    draw = random.Random(0)
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        assert program is not None, "this bench needs Chromium: apt-get install chromium"
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{gateway}/shop")
        page.wait_for_selector("#picked .card")
        num_rows = QUICK_ROWS if is_quick() else NUM_ROWS
        for _, kind in _in_any_order(num_rows, found, draw):
            found[kind].append(_shown_in_ms(page, has_texts=kind == "with texts"))
        browser.close()
    return [one for kind, times in found.items() for one in _rows_of(f"a row {kind}", times)]


def _shown_in_ms(page: Page, *, has_texts: bool) -> float:
    return float(page.evaluate(_SHOW_ROW, has_texts))


def _in_any_order(
    num: int, kinds: Mapping[str, object], draw: random.Random
) -> list[tuple[int, str]]:
    """Return users and kinds of lists, so many of each kind, in random order."""
    asked = [(draw.randint(1, NUM_USERS), kind) for kind in kinds for _ in range(num)]
    draw.shuffle(asked)
    return asked


def _rows_of(name: str, times_ms: Sequence[float]) -> list[BenchMetric]:
    p99 = quantiles(times_ms, n=100)[98]
    note = f"{len(times_ms):,} in random order with the other kinds"
    return [
        BenchMetric(metric=f"{name}: p50", value=median(times_ms), unit="ms", note=note),
        BenchMetric(metric=f"{name}: p99", value=p99, unit="ms"),
    ]
