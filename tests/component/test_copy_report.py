"""What `status` and the metrics say about texts about items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from copywriter.verifier.verdict import Violation
from copywriter.writing.verified import RejectedText, VerifiedText
from cron.copy.live_writer import awaits_release
from cron.ledger import copy_cost_rows, copy_rows, wanted_rows, writer_rows
from cron.ledger.copy_cost_rows import CopyCost
from cron.ledger.ledger import Ledger, open_ledger
from cron.metrics.copy_metrics import CopyMetrics
from cron.metrics.copy_report import copy_report
from cron.settings.copy_settings import CopySettings
from cron.verbs import status
from tests.film_briefs import film_brief

WRITER = CopySettings(writer="torchserve:", seconds_per_hour=600.0, cost_per_hour=0.1)
NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)  # the budget is that of an hour
LIE = RejectedText(text="By Bob.", violations=(Violation(rule="names", words="Bob"),))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Return a ledger with a live writer that wrote one text and gave up one."""
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db", now=lambda: NOW)
    writer_rows.add(opened, "w", name="small", version=1, archive="copy-1.mar")
    writer_rows.set_live(opened, "w")
    kept = VerifiedText(brief=film_brief("Blue Train"), text="A", source="writer")
    lost = VerifiedText(
        brief=film_brief("Red Boat"), text="T", source="template", rejected=(LIE, LIE)
    )
    copy_rows.store(opened, "w", [kept, lost])
    copy_cost_rows.add(opened, CopyCost(seconds=60.0, cost=0.05, num_written=1, num_templates=1))
    wanted_rows.add(opened, Counter([film_brief("Old Bridge")]))
    copy_cost_rows.count_shown(opened, {"writer": 60, "editor": 15, "template": 25})
    yield opened
    opened.close()


def metrics_of(ledger: Ledger, settings: CopySettings) -> dict[str, float]:
    """Return all metrics, by name and label."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for metric in CopyMetrics(ledger, settings).collect()
        for sample in metric.samples
    }


def test_status_says_what_became_of_texts(ledger: Ledger) -> None:
    (line,) = status._texts(copy_report(ledger, WRITER))
    assert line == (
        "texts    100 texts in the last day, 75% of them ready; 1 written and 1 given up, "
        "1 brief waiting; writer small, 50% of the hour's budget used"
    )
    (line,) = status._texts(copy_report(ledger, CopySettings()))
    assert line == "texts    100 texts in the last day, by templates"


def test_a_spent_budget_says_what_follows(ledger: Ledger) -> None:
    report = copy_report(ledger, replace(WRITER, seconds_per_hour=1.0))
    (line,) = status._texts(report)
    assert line.endswith("of the hour's budget used: nothing is written before the next hour")


def test_a_writer_that_has_to_be_released_again_is_reported(ledger: Ledger) -> None:
    """After an update of Freshet a remote writer writes nothing until the gate has judged it."""
    remote = replace(WRITER, writer="https://example.com/v1?model=small")
    awaits = awaits_release(remote, ledger)
    (line,) = status._texts(copy_report(ledger, remote, awaits_release=awaits))
    assert line.endswith("nothing is written until you run: python -m cron copy release")


def test_status_is_silent_without_texts(tmp_path: Path) -> None:
    empty = open_ledger(f"sqlite:///{tmp_path}/empty.db")
    assert status._texts(copy_report(empty, CopySettings())) == []
    empty.close()


def test_the_scarcer_budget_counts(ledger: Ledger) -> None:
    assert copy_report(ledger, WRITER).budget_used == 0.5
    assert copy_report(ledger, CopySettings(seconds_per_hour=120.0)).budget_used == 0.5
    assert copy_report(ledger, CopySettings(seconds_per_hour=240.0)).budget_used == 0.25


def test_metrics_count_sources_rules_and_cost(ledger: Ledger) -> None:
    found = metrics_of(ledger, WRITER)
    assert found["freshet_copy_shown_total writer"] == 60
    assert found["freshet_copy_shown_total template"] == 25
    assert found["freshet_copy_written_total writer"] == 1
    assert found["freshet_copy_written_total template"] == 1
    assert found["freshet_copy_rejected_total names"] == 2
    assert found["freshet_copy_rejected_total unsafe"] == 0  # before it happens for the first time
    assert found["freshet_copy_waiting"] == 1
    assert found["freshet_copy_budget_used"] == 0.5
    assert found["freshet_copy_hour_seconds"] == 60
    assert found["freshet_copy_hour_cost"] == 0.05


def test_a_ledger_that_is_away_costs_no_page(ledger: Ledger) -> None:
    ledger.close()
    metrics_of(ledger, WRITER)
