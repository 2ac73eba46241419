"""The status page shows what an experiment says, as it runs and after it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest
from playwright.sync_api import Page, expect

from cron.experiment import parse_draft
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserTotals, sum_users
from cron.ledger import experiment_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.ledger import Ledger, open_ledger
from tests.component.gateway_process import StandIn, gateway, settings_in


@dataclass(frozen=True, kw_only=True)
class PageWithLedger:
    """The address of the page, and the ledger that it shows."""

    address: str
    ledger: Ledger


@pytest.fixture
def shown_ledger(tmp_path: Path, story_ledger: Path) -> Iterator[PageWithLedger]:
    """Serve the page of a ledger without experiments."""
    copy(story_ledger, tmp_path / "ledger.db")
    model = StandIn()
    settings = settings_in(tmp_path, inference_port=model.port)
    ledger = open_ledger(settings.store.ledger)
    with gateway(settings) as client:
        yield PageWithLedger(address=str(client.base_url), ledger=ledger)
    ledger.close()
    model.stop()


def test_the_page_follows_an_experiment_to_its_end(
    page: Page, shown_ledger: PageWithLedger
) -> None:
    page.goto(shown_ledger.address)
    part = page.locator("#experiments")
    expect(part).to_contain_text("No experiment yet.")
    arms = [{"name": "a"}, {"name": "b", "rules": {"k": 3}}]
    draft = parse_draft({"placement": "home", "share": 0.5, "arms": arms, "effect": 0.5})
    experiment_rows.start(shown_ledger.ledger, "short-lists", draft, by="ann")
    expect(part).to_contain_text("short-lists · lists of home, 50")
    expect(part).to_contain_text("not measured yet")
    expect(part.get_by_text("control", exact=True)).to_have_count(1)
    expect(part).to_contain_text('a: lists as they are · b: {"k":3}')
    sums = [
        ArmSums(
            name=name,
            share=0.5,
            reward=sum_users(UserTotals(reward=float(user % 10 < wins)) for user in range(500)),
        )
        for name, wins in (("a", 2), ("b", 7))
    ]
    measured = MeasuredArms(at=datetime.now(UTC), arms=tuple(sums), explored={"a": 10.0, "b": 12.0})
    experiment_rows.store_measured(shown_ledger.ledger, "short-lists", measured)
    expect(part).to_contain_text("decided: b is better")
    expect(part).to_contain_text("+0.5000")
    experiment_rows.stop(
        shown_ledger.ledger, "short-lists", by="its statistics", why="b is better", winner="b"
    )
    expect(part).to_contain_text("by its statistics: b is better · winner: b")
