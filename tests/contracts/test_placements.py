"""The ledger's placements and the history of their changes, on each database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cron.errors import TooManyPlacements
from cron.ledger import placement_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.placement import MAX_PLACEMENTS, Placement, parse_placement
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures

WHOLE = parse_placement(
    {
        "k": 12,
        "filter": {"genre": ["Comedy", "日本"]},
        "exclude": {"purchase": "30d", "hide": "forever"},
        "boosts": [{"attribute": "brand", "value": "Acme", "add": -2.5}],
        "freshness": {"add": 1, "half_life": "7d"},
        "pins": [{"item_id": "a/b%2F é", "position": 1, "until": "2026-12-26"}],
    }
)


def history(ledger: Ledger, name: str) -> list[tuple[str, Placement | None, Placement | None]]:
    return [(one.by, one.before, one.after) for one in placement_rows.changes(ledger, name, 99)]


def test_a_placement_comes_back_as_it_was_written(ledger: Ledger, url: str) -> None:
    placement_rows.change(ledger, "home", WHOLE, by="ann")
    placement_rows.change(ledger, "cart", Placement(k=3), by="bob")
    again = open_ledger(url)
    assert placement_rows.every(again) == {"cart": Placement(k=3), "home": WHOLE}
    again.close()


def test_a_stored_exclusion_of_impressions_is_dropped(ledger: Ledger) -> None:
    """It was once allowed; a gateway must not fail to start for it."""
    old = Placement(exclude={"impression": 60, "view": 3_600})
    placement_rows.change(ledger, "home", old, by="ann")
    assert placement_rows.every(ledger) == {"home": Placement(exclude={"view": 3_600})}


def test_the_history_says_who_changed_what(ledger: Ledger) -> None:
    first, second = Placement(k=3), Placement(k=4)
    placement_rows.change(ledger, "home", first, by="ann")
    placement_rows.change(ledger, "home", second, by="bob 日本")
    placement_rows.change(ledger, "home", second, by="nobody: it was so already")
    placement_rows.change(ledger, "home", None, by="ann")
    placement_rows.change(ledger, "home", None, by="nobody: it was gone already")
    assert history(ledger, "home") == [
        ("ann", second, None),
        ("bob 日本", first, second),
        ("ann", None, first),
    ]
    assert (placement_rows.every(ledger), history(ledger, "other")) == ({}, [])
    assert len(placement_rows.changes(ledger, "home", 1)) == 1
    times = [one.at for one in placement_rows.changes(ledger, "home", 9)]
    assert times == sorted(times, reverse=True)


def test_old_changes_go_and_what_exists_stays(ledger: Ledger) -> None:
    placement_rows.change(ledger, "kept", Placement(k=1), by="ann")
    placement_rows.change(ledger, "gone", Placement(k=1), by="ann")
    placement_rows.change(ledger, "gone", None, by="ann")
    for k in range(2, 6):
        placement_rows.change(ledger, "home", Placement(k=k), by="ann", keep=2)
    assert placement_rows.every(ledger) == {"home": Placement(k=5), "kept": Placement(k=1)}
    assert [after for _, _, after in history(ledger, "home")] == [Placement(k=5), Placement(k=4)]
    assert history(ledger, "gone") == [], "names that come and go would fill the ledger"


def test_there_are_at_most_so_many(ledger: Ledger) -> None:
    for number in range(MAX_PLACEMENTS):
        placement_rows.change(ledger, f"place-{number}", Placement(k=1), by="ann")
    with pytest.raises(TooManyPlacements, match="200 placements"):
        placement_rows.change(ledger, "one-more", Placement(k=1), by="ann")
    placement_rows.change(ledger, "place-7", Placement(k=2), by="ann")
    placement_rows.change(ledger, "place-8", None, by="ann")
    placement_rows.change(ledger, "one-more", Placement(k=1), by="ann")
    assert len(placement_rows.every(ledger)) == MAX_PLACEMENTS


def test_each_of_many_changes_has_the_one_before(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda k: placement_rows.change(ledger, "home", Placement(k=k), by="ann"), range(1, 9)
        ):
            pass
    changes = history(ledger, "home")
    assert len(changes) == 8
    assert [before for _, before, _ in changes[:-1]] == [after for _, _, after in changes[1:]]
