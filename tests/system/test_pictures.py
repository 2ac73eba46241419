"""A catalogue of pictures on a real TorchServe, from their web server to the shop's answers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cron.cycle.collecting import collect_records
from cron.cycle.cycle import run_cycle
from cron.ledger import shown_pictures
from cron.lineage import Run
from cron.pictures.picture_turn import take_turn
from cron.services import Services
from cron.settings.tree import PictureSettings, Settings
from cron.worker.picture_job import picture_work
from recommender.config import PictureEncoderConfig
from tests.component.at_work import until
from tests.component.gateway_process import gateway, settings_in
from tests.contracts.records import start_process
from tests.pictures import Page, PictureServer, picture_server, render
from tests.system.torchserve import Running, open_node, running_torchserve
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

PICTURED = {
    "i0": render("red"),
    "i1": render("blue", shape="square"),
    "i2": render("red", side_px=60),
    "i3": render("black", shape="square"),
}
BROKEN, STUCK = "i4", "i5"
FETCH_UNTIL_KILLED = """
import sys
from pathlib import Path
from cron.cycle.collecting import collect_records
from cron.pictures.picture_turn import take_turn
from cron.worker.picture_job import picture_work
from tests.system.test_pictures import seeing_settings
from tests.workshop import lease_of, open_workshop
folder = Path(sys.argv[1])
services = open_workshop(folder, settings=seeing_settings(folder, sys.argv[2]))
lease = lease_of(services.ledger)
collect_records(services, lease)
take_turn(picture_work(services), lease)
"""


def seeing_settings(folder: Path, host: str) -> Settings:
    """Return settings that fetch pictures from one host and encode them."""
    plain = small_settings(folder / "encoder")
    encoder = PictureEncoderConfig(model=str(folder / "vision"))
    return replace(
        plain,
        pictures=PictureSettings(private_hosts=(host,), at_once=1, first_retry_s=0.1),
        train=replace(plain.train, pictures=encoder),
    )


@pytest.fixture
def pages() -> Iterator[PictureServer]:
    files = {f"/{item_id}.png": Page(content=one) for item_id, one in PICTURED.items()}
    files[f"/{BROKEN}.png"] = Page(content=render()[:80])
    files[f"/{STUCK}.png"] = Page(content=render(), pause_s=0.5)
    with picture_server(files) as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, pages: PictureServer) -> Iterator[tuple[Services, Running]]:
    """Return a workshop that sees, in front of a real TorchServe."""
    write_vision_model(tmp_path / "vision", "clip")
    with (
        running_torchserve(tmp_path, store=tmp_path / "archives") as running,
        open_node(running) as server,
    ):
        close_workshop(open_workshop(tmp_path))  # writes the text encoder
        settings = seeing_settings(tmp_path, pages.host)
        services = replace(open_workshop(tmp_path, settings=settings), server=server)
        yield services, running
        close_workshop(services)


def fetch_and_run(services: Services) -> Run:
    lease = lease_of(services.ledger)
    collect_records(services, lease)
    take_turn(picture_work(services), lease)
    run = run_cycle(services, lease)
    assert run.outcome == "published", run.reasons
    return run


def look_alikes(client: httpx.Client, picture: bytes, k: int = 3) -> list[str]:
    """Return the ids of the items that look most like a picture."""
    body = {"picture": base64.b64encode(picture).decode(), "k": k}
    answer = client.post("/v1/similar", json=body)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def add(client: httpx.Client, pages: PictureServer, *item_ids: str) -> None:
    items = [
        {"item_id": one, "title": f"Thing {one}", "images": [pages.url(f"/{one}.png")]}
        for one in item_ids
    ]
    assert client.post("/v1/items", json=items).status_code == 202


def test_a_catalogue_of_pictures_from_their_server_to_answers(
    shop: tuple[Services, Running], pages: PictureServer, tmp_path: Path
) -> None:
    """A broken picture and a killed worker lose no other; new ones come with the next run.

    An update brings those that were repaired or replaced. Items without a picture are found by
    their texts, since the model reads both.
    """
    services, running = shop
    plain = settings_in(tmp_path, inference_port=running.ports.inference, timeout_s=30.0)
    with gateway(replace(plain, store=replace(plain.store, server=running.url))) as client:
        add(client, pages, *PICTURED, BROKEN, STUCK)
        send(services, [*item_records()[6:], *event_records(1, 400)])
        process = start_process(FETCH_UNTIL_KILLED, str(tmp_path), pages.host)
        until(lambda: f"/{STUCK}.png" in pages.asked)
        process.kill()
        process.communicate()
        pages.pages[f"/{STUCK}.png"] = Page(content=render("yellow", shape="square"))
        assert fetch_and_run(services).mode == "baseline"
        count = shown_pictures.count(services.ledger)
        assert (count.ready, count.failed, count.waiting) == (len(PICTURED) + 1, 1, 0)

        assert set(look_alikes(client, render("red", kind="JPEG"))[:2]) == {"i0", "i2"}
        found = client.get("/v1/search", params={"q": "a red circle", "k": 1000}).json()["items"]
        assert {*PICTURED} <= {item["id"] for item in found}
        shown = client.get("/v1/pictures", params={"item_id": [*PICTURED, BROKEN]}).json()
        assert sorted(shown["pictures"]) == sorted(PICTURED)
        bad = client.post("/v1/similar", json={"picture": base64.b64encode(b"none").decode()})
        assert (bad.status_code, bad.json()["error"]["field"]) == (400, "picture")

        pages.pages["/new.png"] = Page(content=render("green", shape="square"))
        add(client, pages, "new")
        assert fetch_and_run(services).mode == "full"
        assert look_alikes(client, render("green", shape="square", kind="BMP"))[0] == "new"
        found = look_alikes(client, render("red"), k=1_000)
        assert {*PICTURED, "new", STUCK, BROKEN, "i6"} <= {*found}

        pages.pages[f"/{BROKEN}.png"] = Page(content=render("black"))
        pages.pages["/other.png"] = Page(content=render("yellow"))
        changed = {"item_id": "new", "title": "Thing new", "images": [pages.url("/other.png")]}
        assert client.post("/v1/items", json=changed).status_code == 202
        send(services, event_records(401, 500))
        assert fetch_and_run(services).mode == "update"
        assert look_alikes(client, render("yellow", kind="BMP"))[0] == "new"
        assert look_alikes(client, render("black", kind="BMP"))[0] == BROKEN
        shown = client.get("/v1/pictures", params={"item_id": [BROKEN, "new"]}).json()["pictures"]
        thumbnails = (client.get(shown[one]).content for one in (BROKEN, "new"))
        grey = [Image.open(BytesIO(one)).convert("L").resize((1, 1)) for one in thumbnails]
        assert grey[0].tobytes() < grey[1].tobytes(), "a black circle, and a yellow one"
