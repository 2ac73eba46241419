"""`forget`: what it deletes, and what it says is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from cron import wiring
from cron.__main__ import main
from cron.ledger import forgotten
from cron.ports import Cursor
from cron.services import Services
from cron.settings.tree import Settings
from cron.worker.lease import held_lease, only_one
from tests.contracts.records import event
from tests.releases import publish_releases


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """Open services with 150 journal events of ann and bob, and release 1, trained on 100."""
    services = wiring.open_services(settings)
    with held_lease(services.ledger, "test", 60) as lease:
        users = ["ann", "bob", "bob"] * 50
        services.journal.accept(
            [event(number, user_id=user_id) for number, user_id in enumerate(users)],
            Cursor("0"),
            lease,
        )
        publish_releases(services.ledger, lease, 1)
    yield services
    services.journal.close()
    services.ledger.close()


def test_it_erases_and_says_what_the_weights_hold(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forget", "ann"]) == 0
    said = capsys.readouterr().out
    assert "ann: forgotten, with all events until" in said
    assert "journal       50 events erased" in said
    assert (
        "release 1, which is live, was trained on at most 34 of them, until the next full retrain"
        in said
    )
    assert "such weights are in the archives of 1, until" in said
    assert set(services.journal.read(1, 150)["user_id"].to_pylist()) == {"bob"}
    assert forgotten.pending(services.ledger) == []
    assert main(["forget", "ann", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["journal_events"], report["events_trained_on"], report["may_hold_erased"]) == (
        0,
        0,
        True,
    )


def test_a_dry_run_deletes_nothing(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "ann", "nobody at all", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "ann: nothing was deleted (dry run)" in said
    assert "journal       50 events" in said
    assert "nobody at all: nothing" in said
    assert forgotten.every(services.ledger) == []
    assert services.journal.read(1, 150).num_rows == 150


def test_where_a_worker_runs_it_erases(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(services.paths.lock):
        assert main(["forget", "ann", "--by", "support, ticket 7"]) == 0
    assert "50 events, to be erased by the worker in its next turn" in capsys.readouterr().out
    (mark,) = forgotten.pending(services.ledger)
    assert mark.asked_by == "support, ticket 7"
    assert mark.up_to > services.ledger.now() - timedelta(minutes=1)


def test_what_no_user_can_be_called_is_refused(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forget", "x" * 600]) == 1
    assert "user_id: found" in capsys.readouterr().err
    assert forgotten.every(services.ledger) == []
