"""The status page shows a candidate on trial: gate, canary and shadow, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import pytest
from playwright.sync_api import Page, expect

from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserTotals, sum_users
from cron.ledger import lease_row, run_rows, trial_rows
from cron.ledger.experiment_rows import MeasuredArms
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease
from tests.component.gateway_process import StandIn, gateway, settings_in
from tests.releases import reason
from tests.trials import CANDIDATE, SHADOW, begin_trial


@dataclass(frozen=True, kw_only=True)
class TriedPage:
    """The address of the page, and the ledger and lease behind it."""

    address: str
    ledger: Ledger
    lease: Lease


@pytest.fixture
def tried_page(tmp_path: Path, story_ledger: Path) -> Iterator[TriedPage]:
    """Serve the page of a ledger without trials."""
    copy(story_ledger, tmp_path / "ledger.db")
    model = StandIn()
    settings = settings_in(tmp_path, inference_port=model.port)
    ledger = open_ledger(settings.store.ledger)
    lease = lease_row.acquire(ledger, "a worker", 3600, ledger.now())
    assert lease is not None
    with gateway(settings) as client:
        yield TriedPage(address=str(client.base_url), ledger=ledger, lease=lease)
    ledger.close()
    model.stop()


def arm(name: str, *, buyers: int, num_users: int) -> ArmSums:
    rewards = (UserTotals(reward=float(number % 10 < buyers)) for number in range(num_users))
    return ArmSums(name=name, share=0.5, reward=sum_users(rewards))


def test_focus_stays_on_reasons_when_a_run_begins(page: Page, tried_page: TriedPage) -> None:
    page.goto(tried_page.address)
    summary = page.locator("#runs summary").first
    why = str(summary.text_content())
    summary.press("Enter")
    begin_trial(tried_page.ledger, tried_page.lease)
    expect(page.locator("#runs")).to_contain_text("under way")
    opened = page.locator("#runs details[open] summary")
    expect(opened).to_have_text(why)
    expect(opened).to_be_focused()


def test_the_page_follows_a_trial_to_its_end(page: Page, tried_page: TriedPage) -> None:
    ledger, lease = tried_page.ledger, tried_page.lease
    page.goto(tried_page.address)
    expect(page.locator("#experiments")).to_contain_text("No experiment yet.")
    expect(page.locator("#trials-card")).to_be_hidden()
    run_id = begin_trial(ledger, lease)
    part = page.locator("#trials")
    expect(part).to_contain_text("Version 4 against version 3 · canary of 10 % of the users")
    expect(part).to_contain_text("The canary is not measured yet")
    expect(part).to_contain_text("no list was compared yet")
    expect(part).to_contain_text("ndcg_live")
    arms = (
        arm("control", buyers=5, num_users=1_000),
        arm("candidate", buyers=2, num_users=1_000),
    )
    measured = MeasuredArms(at=ledger.now(), arms=arms, explored={})
    trial_rows.store_measured(ledger, CANDIDATE, measured, lease=lease)
    trial_rows.add_shadow(ledger, {CANDIDATE: SHADOW})
    expect(part).to_contain_text("−60.0 % (")
    expect(part).to_contain_text("10 lists share 80 % of their items")
    ended = (reason("ndcg_live", ok=True), reason("canary", ok=False))
    run_rows.finish(ledger, run_id, "refused", reasons=ended, metrics={}, lease=lease)
    trial_rows.end(ledger, CANDIDATE, "taken_back", "canary: a loss", lease=lease)
    expect(part).to_contain_text("taken back")
    expect(part).to_contain_text("canary: a loss")
