"""Pictures from records to releases: fetched, encoded, served, and changed by an update."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from cron.cycle.collecting import collect_records
from cron.cycle.cycle import run_cycle
from cron.cycle.outlook import has_shape, observe
from cron.cycle.release_files import bundle_of
from cron.cycle.retention import tidy
from cron.ledger import release_rows
from cron.lineage import Lease
from cron.pictures.picture_turn import take_turn
from cron.services import Services
from cron.worker.picture_job import picture_work
from cron.worker.worker import run_once
from recommender.bundle import load_bundle
from recommender.config import PictureEncoderConfig
from recommender.records.events import Item, Record
from recommender.records.images import SENT, sent_name
from tests.pictures import render
from tests.vision_models import write_caption_model, write_vision_model
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    small_settings,
)
from trainer.data.captions import MARK


@pytest.fixture
def seeing(tmp_path: Path) -> Iterator[Services]:
    """Return a workshop that encodes and describes pictures, before its first release."""
    close_workshop(open_workshop(tmp_path))  # writes the text encoder
    settings = small_settings(Path((tmp_path / "encoder.txt").read_text()))
    pictures = PictureEncoderConfig(
        model=str(write_vision_model(tmp_path / "vision")),
        captions=str(write_caption_model(tmp_path / "captions")),
        caption_tokens=4,
    )
    train = replace(settings.train, pictures=pictures)
    services = open_workshop(tmp_path, settings=replace(settings, train=train))
    yield services
    close_workshop(services)


def with_picture(item: Record, picture: bytes | None, *, later: int = 0) -> Item:
    """Return a later record of an item with a picture in it."""
    assert isinstance(item, Item)
    images: tuple[str, ...] = ()
    if picture is not None:
        images = (f"data:image/png;base64,{base64.b64encode(picture).decode()}",)
    at = item.at + timedelta(seconds=later)
    return replace(item, images=images, at=at, event_id=f"{item.event_id}:{later}")


def fetch_and_run(services: Services, lease: Lease) -> dict[str, float]:
    """Collect, fetch and do a turn; return what the live release has of each picture's vector."""
    collect_records(services, lease)
    take_turn(picture_work(services), lease)
    run = run_cycle(services, lease)
    assert run.outcome == "published", run.reasons
    return pictures_of_live(services)


def pictures_of_live(services: Services) -> dict[str, float]:
    """Return the sum of each picture's vector in the live release, by item."""
    live = release_rows.live(services.ledger)
    assert live is not None
    folder = bundle_of(services.artifacts, services.paths.bundles, live.manifest)
    bundle = load_bundle(folder)
    found: dict[str, float] = {}
    if bundle.pictures is not None:
        for row in bundle.pictures.has_N.nonzero().flatten().tolist():
            item_id, _ = bundle.catalogue.name(row)
            found[item_id] = round(float(bundle.pictures.vectors_NP[row].float().sum()), 3)
    with_words = [one.item_id for one in bundle.catalogue if MARK in str(one.text)]
    assert sorted(with_words) == sorted(found), "words come and go with the pictures"
    return found


def test_pictures_come_with_every_kind_of_run(seeing: Services) -> None:
    lease = lease_of(seeing.ledger)
    items = item_records()
    red, blue = render("red"), render("blue", shape="square")
    pictured: list[Record] = [with_picture(items[0], red), with_picture(items[1], blue), *items[2:]]
    send(seeing, [*pictured, *event_records(1, 400)])
    baseline = fetch_and_run(seeing, lease)
    assert sorted(baseline) == ["i0", "i1"]
    full = fetch_and_run(seeing, lease)
    assert full == baseline
    probes = [path.read_text() for path in seeing.paths.runs.rglob("golden.json")]
    assert len(probes) == 2
    assert all('"picture": "' in one for one in probes), "a probe loads the vision model"
    changes: list[Record] = [
        with_picture(items[0], blue, later=1),
        with_picture(items[1], None, later=1),
        with_picture(items[5], red, later=1),
    ]
    send(seeing, [*changes, *event_records(401, 500)])
    update = fetch_and_run(seeing, lease)
    live = release_rows.live(seeing.ledger)
    assert live is not None
    assert live.manifest.mode == "update"
    assert update == {"i0": full["i1"], "i5": full["i0"]}


def test_a_picture_that_comes_later_starts_a_run(seeing: Services) -> None:
    """Its item was in a run before; a release without an encoder would gain nothing by it."""
    lease = lease_of(seeing.ledger)
    send(seeing, [with_picture(item_records()[0], render()), *item_records()[1:]])
    assert run_cycle(seeing, lease).mode == "baseline"
    assert run_cycle(seeing, lease).outcome == "skipped"
    take_turn(picture_work(seeing), lease)
    blind = replace(seeing.settings.train, pictures=PictureEncoderConfig())
    assert observe(seeing.ledger, seeing.journal, blind).num_new_pictures == 0
    run = run_cycle(seeing, lease)
    assert (run.outcome, run.reasons[0].text) == ("published", "1 new pictures of items")
    assert sorted(pictures_of_live(seeing)) == ["i0"]
    assert run_cycle(seeing, lease).outcome == "skipped"


def test_sent_bytes_go_when_no_item_names_them(seeing: Services) -> None:
    """They stay while the turn of fetching does not know yet what newer records name."""
    lease, items = lease_of(seeing.ledger), item_records()
    red, blue = render("red"), render("blue", shape="square")
    send(seeing, [with_picture(items[0], red), with_picture(items[1], blue), *items[2:]])
    fetch_and_run(seeing, lease)
    both = sorted(seeing.artifacts.names(SENT))
    assert len(both) == 2
    changed = [with_picture(items[0], blue, later=1), with_picture(items[2], red, later=1)]
    send(seeing, [changed[0]])
    collect_records(seeing, lease)
    take_turn(picture_work(seeing), lease)
    send(seeing, [changed[1]])
    collect_records(seeing, lease)
    tidy(seeing, lease)
    assert sorted(seeing.artifacts.names(SENT)) == both
    take_turn(picture_work(seeing), lease)
    send(seeing, [with_picture(items[2], None, later=2)])
    collect_records(seeing, lease)
    take_turn(picture_work(seeing), lease)
    tidy(seeing, lease)
    assert list(seeing.artifacts.names(SENT)) == [sent_name(blue)]


def test_a_new_setting_of_pictures_is_no_other_model(seeing: Services) -> None:
    """An upgrade that brings a setting with a default does not retrain every shop."""
    send(seeing, item_records())
    assert run_cycle(seeing, lease_of(seeing.ledger)).mode == "baseline"
    live = release_rows.live(seeing.ledger)
    assert live is not None
    pictures = live.manifest.config["pictures"]
    assert isinstance(pictures, dict)
    before = {name: value for name, value in pictures.items() if name != "texts"}
    older = msgspec.structs.replace(
        live.manifest, config={**live.manifest.config, "pictures": before}
    )
    assert has_shape(older, seeing.settings.train)
    other = replace(seeing.settings.train, pictures=PictureEncoderConfig(texts=False))
    assert not has_shape(older, other)


def test_run_once_fetches_the_pictures_of_its_turn(seeing: Services) -> None:
    send(seeing, [with_picture(item_records()[0], render()), *item_records()[1:]])
    assert run_once(seeing).outcome == "published"
    assert sorted(pictures_of_live(seeing)) == ["i0"]
