"""Pictures from records to releases: fetched, encoded, served, and changed by an update."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cron.cycle.collecting import collect_records
from cron.cycle.cycle import run_cycle
from cron.cycle.release_files import bundle_of
from cron.ledger import release_rows
from cron.lineage import Lease
from cron.pictures.picture_turn import take_turn
from cron.services import Services
from cron.worker.picture_job import picture_work
from recommender.bundle import load_bundle
from recommender.config import PictureEncoderConfig
from recommender.records.events import Item, Record
from tests.pictures import render
from tests.vision_models import write_vision_model
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    small_settings,
)


@pytest.fixture
def seeing(tmp_path: Path) -> Iterator[Services]:
    """Return a workshop that encodes pictures, before its first release."""
    close_workshop(open_workshop(tmp_path))  # writes the text encoder
    settings = small_settings(Path((tmp_path / "encoder.txt").read_text()))
    pictures = PictureEncoderConfig(model=str(write_vision_model(tmp_path / "vision")))
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
    live = release_rows.live(services.ledger)
    assert live is not None
    folder = bundle_of(services.artifacts, services.paths.bundles, live.manifest)
    bundle = load_bundle(folder)
    found: dict[str, float] = {}
    if bundle.pictures is not None:
        for row in bundle.pictures.has_N.nonzero().flatten().tolist():
            item_id, _ = bundle.catalogue.name(row)
            found[item_id] = round(float(bundle.pictures.vectors_NP[row].float().sum()), 3)
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
