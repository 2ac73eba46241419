"""Texts are wanted ahead: of next lists of users, of popular and new items, for segments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from copywriter.brief import Brief, BriefAttribute
from cron.ledger import copy_cost_rows, wanted_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.settings.copy_settings import CopySettings
from tests.component.at_work import until
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

LIMIT_S = 120.0  # of what takes a second on an idle machine
REASON = {"nearest": [], "shared": {}, "popular": False, "new": True}
ITEMS = [
    {"item_id": f"{number}", "title": f"Film {number}", "attributes": {"genre": [genre]}}
    for number, genre in ((7, "Drama"), (8, "Sci-Fi"), (9, "Sci-Fi"))
]


class ChangingModel(StandIn):
    """A model that recommends film 7 in its first list, then film 8; to Bob film 9."""

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        if '"bobs"' in json.dumps(asked.get("user_seq")):
            popular = REASON | {"popular": True, "new": False}
            item = {"id": "9", "title": "Film 9", "score": 1.5, "reason": popular}
            return 200, {"items": [item], "model_version": 3}
        num_lists = sum("candidates" not in one for one in self.asked)
        item_id = "7" if num_lists <= 1 else "8"
        item = {"id": item_id, "title": f"Film {item_id}", "score": 1.5, "reason": REASON}
        return 200, {"items": [item], "model_version": 3}


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[RunningGateway]:
    """Serve a gateway with three films and a writer, which prepares lists at once."""
    model = ChangingModel()
    copy(story_ledger, tmp_path / "ledger.db")
    plain = settings_in(tmp_path, inference_port=model.port)
    with gateway(plain) as client:  # popular and new items are looked at once, at the start
        assert client.post("/v1/items", json=ITEMS).is_success
    settings = replace(
        plain,
        copy=CopySettings(
            writer="torchserve:", ahead_s=0.05, languages=("en",), segments=("genre:Sci-Fi",)
        ),
    )
    with gateway(settings) as client:
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()


def until_wanted(shop: RunningGateway, is_right: Callable[[Brief], bool]) -> Ledger:
    """Wait until such a brief is wanted; return the ledger."""
    ledger = open_ledger(shop.settings.store.ledger)
    until(lambda: any(map(is_right, wanted_rows.most_wanted(ledger, 500))), limit_s=LIMIT_S)
    return ledger


def is_line_about(title: str) -> Callable[[Brief], bool]:
    return lambda brief: (
        brief.kind == "reason_line"
        and brief.items[0].title == title
        and brief.reason is not None
        and brief.reason.new
    )


def test_the_next_list_is_wanted_before_it_is_shown(shop: RunningGateway) -> None:
    asked = {"user_id": "ann", "copy": True}
    first = shop.client.post("/v1/recommendations", json=asked).json()
    assert [item["id"] for item in first["items"]] == ["7"]
    # the model says something else now, as after a click
    ledger = until_wanted(shop, is_line_about("Film 8"))
    wanted = wanted_rows.most_wanted(ledger, 500)
    shown, next_one = is_line_about("Film 7"), is_line_about("Film 8")
    lines = [one for one in wanted if shown(one) or next_one(one)]
    assert list(map(shown, lines)) == [True, False]  # what was shown comes first
    ledger.close()
    assert not shop.log_records()[len(ITEMS) + 1 :]  # one slate: what was prepared is no list


def test_users_who_are_active_elsewhere_have_texts_too(shop: RunningGateway) -> None:
    """Bob was never shown a list here: his event came to another gateway of the shop."""
    shop.client.post("/v1/recommendations", json={"user_id": "ann", "copy": True})
    event = {"user_id": "bob", "item_id": "bobs", "type": "view"}
    assert shop.client.post("/v1/events", json=[event]).is_success

    def is_bobs(brief: Brief) -> bool:
        is_popular = brief.reason is not None and brief.reason.popular_among == "everyone"
        return is_popular and [one.title for one in brief.items] == ["Film 9"]

    until_wanted(shop, is_bobs).close()


def test_popular_and_new_items_are_written_before_anybody_asks(shop: RunningGateway) -> None:
    ledger = until_wanted(
        shop, lambda brief: brief.kind == "row_title" and brief.reason is not None
    )
    assert copy_cost_rows.shown_in(ledger, 1) == {}
    ledger.close()


def test_a_segment_has_blurbs_of_what_it_likes(shop: RunningGateway) -> None:
    liked = BriefAttribute(name="genre", values=("Sci-Fi",))
    ledger = until_wanted(shop, lambda brief: brief.audience == liked)
    about = [one.items[0].title for one in wanted_rows.most_wanted(ledger, 500) if one.audience]
    assert "Film 7" not in about  # a drama
    asked = {"item_ids": ["8"], "kind": "item_blurb", "audience": {"genre": "Sci-Fi"}}
    digest = shop.client.post("/v1/copy", json=asked).json()["digest"]
    until_wanted(shop, lambda brief: brief.digest() == digest and brief.audience == liked).close()
    ledger.close()
