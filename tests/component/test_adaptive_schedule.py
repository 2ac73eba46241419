"""Full retrains that come when they are worth their cost, as the gate measured them."""

from __future__ import annotations

import pytest

from cron.cycle.measured_retrains import estimate_staleness
from cron.cycle.outlook import observe
from cron.lineage import Lease
from cron.services import Services
from tests.releases import manifest, publish_manifests


def test_the_lineage_says_what_retrains_gave(services: Services, lease: Lease) -> None:
    """Version 2 replaced updates of version 1, and was 10 % better after 100 events of them."""
    scores = {"ndcg_candidate": 0.22, "ndcg_live": 0.2}
    first = manifest(11, mode="full", anchor=11, supersedes=0, trained_through=120)
    update = manifest(12, mode="update", parent=11, anchor=11, trained_through=220)
    second = manifest(
        13, mode="full", anchor=13, supersedes=12, trained_through=240, metrics=scores
    )
    publish_manifests(services.ledger, lease, first)
    assert estimate_staleness(services.ledger, services.journal, first) is None
    publish_manifests(services.ledger, lease, update, second)
    found = estimate_staleness(services.ledger, services.journal, second)
    assert found is not None
    num_events = services.journal.count(121, 220).events
    assert num_events > 0
    assert found.decay == pytest.approx(0.1 / num_events)
    assert found.num_events == services.journal.count(241, 10**6).events

    config = services.settings.train
    adaptive = observe(services.ledger, services.journal, config, schedule="worth")
    assert adaptive.staleness == found
    assert adaptive.last_full_cost is not None
    assert adaptive.last_full_cost.unit == "s of a device"
    by_clock = observe(services.ledger, services.journal, config)
    assert by_clock.staleness is None
