"""`visit` on a real gateway: the events name the list they came from."""

from __future__ import annotations

import pytest

from cron.__main__ import main
from cron.settings.tree import Settings
from tests.component.command_line import logged_records
from tests.component.gateway_process import gateway

ITEMS = [
    {"item_id": str(number), "title": f"Film {number}", "attributes": {"genre": [genre]}}
    for number, genre in enumerate(["Drama", "War", "Drama"], 1)
]


def test_visitors_click_and_their_events_name_the_list(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(settings) as client:
        assert client.post("/v1/items", json=ITEMS).status_code == 202
        client.put("/v1/placements/home", json={"pins": [{"item_id": "1", "position": 1}]})
        url = str(client.base_url)
        words = ["visit", "--visits", "60", "--visitors", "3", "--speed", "100000", "--url", url]
        assert main([*words, "--placement", "home"]) == 0
    printed = capsys.readouterr().out
    assert "60 visits:" in printed
    events = logged_records(settings)
    assert {event.type for event in events} >= {"impression", "click"}
    assert {event.item_id for event in events} == {"1"}
    assert all(event.details is not None for event in events)
    assert len({event.user_id for event in events}) == 3


def test_visitors_without_anything_to_like_are_refused(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(settings) as client:
        assert client.post("/v1/items", json=[{**ITEMS[0], "attributes": {}}]).status_code == 202
        assert main(["visit", "--url", str(client.base_url)]) == 1
    assert "send items with attributes, or name another one with --likes" in capsys.readouterr().err
