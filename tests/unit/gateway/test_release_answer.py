"""What `GET /v1/release` answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cron.lineage import Release
from gateway.bodies.release import ReleaseAnswer
from gateway.calls.release import release_answer
from tests.releases import manifest

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_before_the_first_release_all_is_null() -> None:
    expected = ReleaseAnswer(model_version=None, trained_at=None, age_s=None)
    assert release_answer(None, now=NOW) == expected


def test_the_age_is_that_of_the_weights() -> None:
    """A release that is made live again is as old as its training."""
    trained = manifest(3, created_at=NOW - timedelta(seconds=90))
    live = Release(version=3, manifest=trained, published_at=NOW, rolled_back_at=None)
    found = release_answer(live, now=NOW)
    assert (found.model_version, found.age_s) == (3, 90.0)
    assert found.trained_at == "2026-03-01T11:58:30+00:00"
    assert release_answer(live, now=NOW - timedelta(hours=1)).age_s == 0.0
