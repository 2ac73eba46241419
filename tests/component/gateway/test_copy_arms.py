"""Placements and arms of experiments say which texts a list has: none, templates, or all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from copywriter.writing.verified import VerifiedText
from cron.ledger import copy_rows, wanted_rows, writer_rows
from cron.ledger.ledger import open_ledger
from cron.placement import Placement
from cron.settings.copy_settings import CopySettings
from tests.component.at_work import until
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

LIMIT_S = 120.0  # of what takes a second on an idle machine
ARMS = [{"name": name, "rules": {"copy": name}} for name in ("none", "template", "writer")]
REASON = {"nearest": [], "shared": {}, "popular": True, "new": False}


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with the placements `home` and `plain`, and a live writer."""
    model = StandIn()
    item = {"id": "7", "title": "Film 7", "score": 1.5, "reason": REASON}
    model.body = {"items": [item], "model_version": 3}
    copy(story_ledger, tmp_path / "ledger.db")
    settings = replace(
        settings_in(tmp_path, inference_port=model.port, api_key="the-key"),
        placements={"home": Placement(), "plain": Placement(copy="none")},
        copy=CopySettings(writer="torchserve:"),
    )
    with gateway(settings) as client:
        client.headers["Authorization"] = "Bearer the-key"
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def ask(shop: RunningGateway, placement: str, user: str = "ann") -> dict[str, object]:
    body = {"user_id": user, "history": [], "placement": placement, "copy": True}
    answer = shop.client.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def source_of(answer: dict[str, object]) -> str | None:
    """Return who wrote the text of the first item; None without one."""
    items = answer["items"]
    assert isinstance(items, list)
    assert "reason" not in items[0]  # nobody asked for it
    assert ("row_title" in answer) == ("copy" in items[0])
    return items[0]["copy"]["source"] if "copy" in items[0] else None


def write_what_is_wanted(shop: RunningGateway) -> None:
    """Write the texts that were wanted, as the worker does."""
    ledger = open_ledger(shop.settings.store.ledger)
    writer_rows.add(ledger, "w", name="small")
    writer_rows.set_live(ledger, "w")
    until(lambda: wanted_rows.most_wanted(ledger, 10), limit_s=LIMIT_S)
    briefs = wanted_rows.most_wanted(ledger, 10)
    texts = [VerifiedText(brief=one, text="A text.", source="writer") for one in briefs]
    copy_rows.store(ledger, "w", texts)
    ledger.close()


def test_a_placement_may_have_no_texts(shop: RunningGateway) -> None:
    assert source_of(ask(shop, "plain")) is None
    assert source_of(ask(shop, "home")) == "template"


def test_the_arms_of_an_experiment_have_their_texts(shop: RunningGateway) -> None:
    """Clicks on lists without texts, by templates and by a writer can be compared."""
    ask(shop, "home")
    write_what_is_wanted(shop)
    until(lambda: source_of(ask(shop, "home")) == "writer", limit_s=LIMIT_S)
    draft = {"placement": "home", "arms": ARMS}
    assert shop.client.put("/v1/experiments/texts", json=draft).is_success
    until(lambda: "arm" in ask(shop, "home"), limit_s=LIMIT_S)
    found: dict[str, set[str | None]] = {}
    for number in range(30):
        answer = ask(shop, "home", f"user-{number}")
        found.setdefault(str(answer["arm"]), set()).add(source_of(answer))
    assert found == {"none": {None}, "template": {"template"}, "writer": {"writer"}}
