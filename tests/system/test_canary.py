"""A canary on a real TorchServe, with a real gateway and simulated visitors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cron.__main__ import main
from cron.cycle.cycle import run_cycle
from cron.ledger import holds, journal_rows, side_rows, trial_rows
from cron.lineage import Run
from cron.services import Services
from cron.serving.reconcile import Reconciler
from cron.settings.tree import ReleaseSettings
from recommender.records.events import Event, Item, Record
from tests.component.gateway_process import gateway, settings_in
from tests.planted import NUM_ITEMS
from tests.system.torchserve import Running, open_node, running_torchserve
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
)

CANARY = ReleaseSettings(
    keep_registered=2, canary_share=0.5, shadow_share=0.2, trial_min_s=0.0, trial_max_s=3_600.0
)
NUM_VISITORS = 300
EXPLORING = {"k": 5, "policy": {"name": "epsilon", "epsilon": 0.5}}
LIVE, CANDIDATE = 1, 2


@contextmanager
def open_tried_shop(folder: Path) -> Iterator[tuple[Services, Running]]:
    """Open a workshop in front of a real TorchServe, which tries what its gate accepts."""
    with (
        running_torchserve(folder, store=folder / "archives") as running,
        open_node(running) as server,
    ):
        services = replace(open_workshop(folder), server=server)
        settings = replace(services.settings, release=CANARY)
        try:
            yield replace(services, settings=settings), running
        finally:
            close_workshop(services)


def films() -> list[Record]:
    """Return items of which every visitor likes the even ones: only these have a genre."""
    records: list[Record] = []
    for number, record in enumerate(item_records()):
        assert isinstance(record, Item)
        liked = {"genre": ("drama", "war")}
        records.append(replace(record, attributes=liked) if number % 2 == 0 else record)
    return records


def events_of(parity: int, first: int, last: int) -> list[Record]:
    """Return events in which everybody chooses items of one parity."""
    records: list[Record] = []
    for number, record in enumerate(event_records(first, last)):
        assert isinstance(record, Event)
        item = f"i{(2 * (number * 7) + parity) % NUM_ITEMS}"
        records.append(replace(record, item_id=item, rating=5.0))
    return records


def turn(services: Services, *, force_full: bool = False) -> Run:
    return run_cycle(services, lease_of(services.ledger), force_full=force_full)


def visit(client: httpx.Client, *words: str) -> None:
    visitors = ["--visitors", str(NUM_VISITORS), "--speed", "200", "--k", "5"]
    assert main(["visit", *visitors, *words, "--url", str(client.base_url)]) == 0


def exclude_what_came(services: Services) -> None:
    """Collect everything, and leave all events so far out of every training."""
    holds.pause(services.ledger, "somebody looks at the events")
    turn(services)
    last = journal_rows.last_seq(services.ledger)
    holds.resume(services.ledger, exclude=[(NUM_ITEMS + 1, last)])


def test_a_worse_release_is_taken_back_without_a_human(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody excluded the good events: it learned the opposite of what visitors like.

    One page shows the whole verdict: the gate, what lists of the past say, canary and shadow.
    """
    with open_tried_shop(tmp_path) as (services, running):
        send(services, [*films(), *events_of(0, 1, 600)])
        assert [turn(services).outcome for _ in range(2)] == ["published", "published"]
        plain = settings_in(tmp_path, inference_port=running.ports.inference, timeout_s=30.0)
        settings = replace(plain, store=replace(plain.store, server=running.url))
        with gateway(settings) as client:
            assert client.post("/v1/items", json=_bodies(films())).status_code == 202
            assert client.put("/v1/placements/home", json=EXPLORING).status_code == 200
            visit(client, "--visits", "600", "--placement", "home")
            exclude_what_came(services)
            send(services, events_of(1, 601, 1_200))
            assert turn(services, force_full=True).outcome is None
            assert trial_rows.running(services.ledger) is not None
            visit(client, "--visits", "600")
            printed = capsys.readouterr().out
            assert "candidate" in printed
            run = turn(services)
            shown = client.get("/v1/status").json()["trials"][0]
        assert run.outcome == "refused", printed
        texts = {reason.name: reason.text for reason in run.reasons}
        assert "reward −" in texts["canary"]
        assert "lists share" in texts["shadow"]
        assert_whole_verdict(shown, texts["canary"])
        ended = trial_rows.find(services.ledger, CANDIDATE)
        assert ended is not None
        assert ended.end is not None
        assert ended.end.verdict == "taken_back"
        assert side_rows.every(services.ledger) == ()
        Reconciler(services).tick()
        assert services.server.live() == LIVE
        assert CANDIDATE not in [one.version for one in services.server.versions()]


def assert_whole_verdict(shown: dict[str, Any], canary: str) -> None:
    """Assert that the page has all that decided, and what lists of the past had said before."""
    assert (shown["version"], shown["verdict"], shown["why"]) == (CANDIDATE, "taken_back", canary)
    gate = {reason["name"]: reason["text"] for reason in shown["gate"]}
    lists = [text for name, text in gate.items() if name.startswith("lists_")]
    assert lists, gate
    assert all("lists of the past" in text and "panel users" in text for text in lists), lists
    assert "golden_answers" in gate
    assert "canary" not in gate
    assert [arm["name"] for arm in shown["arms"]] == ["control", "candidate"]
    assert all(arm["users"] >= 100 for arm in shown["arms"])
    assert shown["high"] < 0
    assert shown["shadow"]["compared"] > 0


def _bodies(items: list[Record]) -> list[dict[str, object]]:
    bodies: list[dict[str, object]] = []
    for item in items:
        assert isinstance(item, Item)
        attributes = dict(item.attributes)
        bodies.append({"item_id": item.item_id, "title": item.title, "attributes": attributes})
    return bodies
