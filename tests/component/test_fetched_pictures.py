"""Pictures of collected items, from a web server of this machine to thumbnails in the store."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from cron.ledger import picture_rows
from cron.ledger.picture_rows import PictureCounts
from cron.pictures.fetching import PictureFetcher
from cron.pictures.picture_turn import PictureWork, retry_after, take_turn
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.settings.tree import PictureSettings
from tests.component.at_work import until
from tests.component.house import House, open_house
from tests.contracts.records import item, start_process
from tests.pictures import Page, PictureServer, picture_server, render

WORK_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.component.test_fetched_pictures import work_of
from tests.component.house import open_house
from cron.pictures.picture_turn import take_turn
from cron.settings.tree import PictureSettings
house = open_house(Path(sys.argv[1]))
settings = PictureSettings(private_hosts=(sys.argv[2],), at_once=1)
take_turn(work_of(house, Path(sys.argv[1]), settings), house.lease)
"""


@pytest.fixture
def server() -> Iterator[PictureServer]:
    pages = {
        "/red.png": Page(content=render("red")),
        "/blue.jpg": Page(content=render("blue", kind="JPEG")),
        "/broken.png": Page(content=render("red")[:80]),
    }
    with picture_server(pages) as running:
        yield running


def work_of(house: House, folder: Path, settings: PictureSettings) -> PictureWork:
    files = ThumbnailFiles(house.artifacts, folder / "thumbnails")
    fetcher = PictureFetcher(settings=settings, artifacts=house.artifacts, files=files)
    return PictureWork(
        ledger=house.ledger, journal=house.journal, fetcher=fetcher, stop=threading.Event()
    )


def send(house: House, **images: str | None) -> None:
    """Collect an item for each keyword, with its picture."""
    first = house.journal.last_seq
    for number, (item_id, image) in enumerate(images.items(), start=first):
        pictures = () if image is None else (image,)
        house.log.append([replace(item(number, item_id), images=pictures)])
    house.collect()


def open_picture(house: House, folder: Path, item_id: str) -> Image.Image:
    sha256 = picture_rows.thumbnails_of(house.ledger, [item_id])[item_id]
    with Image.open(ThumbnailFiles(house.artifacts, folder / "elsewhere").path(sha256)) as picture:
        return picture.copy()


def test_pictures_of_items_become_thumbnails(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "green.gif").write_bytes(render("green", kind="GIF"))
    inline = f"data:image/webp;base64,{base64.b64encode(render('black', kind='WEBP')).decode()}"
    send(
        house,
        red=server.url("/red.png"),
        also_red=server.url("/red.png"),
        green=f"file://{tmp_path}/files/green.gif",
        black=inline,
        none=None,
    )
    settings = PictureSettings(
        private_hosts=(server.host,), folder=str(tmp_path / "files"), thumbnail_px=32
    )
    work = work_of(house, tmp_path, settings)
    assert take_turn(work, house.lease) == 3
    assert server.asked == ["/red.png"], "a picture of two items is fetched once"
    for item_id, place in (("red", 0), ("also_red", 0), ("green", 1)):
        colours = open_picture(house, tmp_path, item_id).getpixel((16, 16))
        assert isinstance(colours, tuple)
        assert max(range(3), key=colours.__getitem__) == place
    assert open_picture(house, tmp_path, "black").size == (32, 32)
    assert take_turn(work, house.lease) == 0
    assert server.asked == ["/red.png"]


def test_without_an_allow_list_nothing_is_fetched(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    send(house, red=server.url("/red.png"), file="file:///etc/hostname")
    assert take_turn(work_of(house, tmp_path, PictureSettings()), house.lease) == 0
    assert server.asked == []
    waiting = PictureCounts(ready=0, failed=0, waiting=2)
    assert picture_rows.count(house.ledger) == waiting, "they wait until the settings allow them"
    settings = PictureSettings(private_hosts=(server.host,))
    assert take_turn(work_of(house, tmp_path, settings), house.lease) == 1


def test_files_outside_the_allowed_folder_are_not_read(house: House, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (tmp_path / "secret.png").write_bytes(render())
    (allowed / "link.png").symlink_to(tmp_path / "secret.png")
    send(
        house,
        plain=f"file://{tmp_path}/secret.png",
        up=f"file://{allowed}/../secret.png",
        link=f"file://{allowed}/link.png",
        missing=f"file://{allowed}/missing.png",
    )
    work = work_of(house, tmp_path, PictureSettings(folder=str(allowed)))
    assert take_turn(work, house.lease) == 0
    assert picture_rows.count(house.ledger).failed == 4


def test_a_broken_picture_is_tried_again_with_growing_pauses(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    """It does not keep the others waiting, and once it is repaired it is there."""
    clock = [datetime(2030, 1, 1, tzinfo=UTC)]
    house.ledger.now = lambda: clock[0]
    send(house, broken=server.url("/broken.png"), blue=server.url("/blue.jpg"))
    work = work_of(house, tmp_path, PictureSettings(private_hosts=(server.host,)))
    assert take_turn(work, house.lease) == 1
    assert picture_rows.count(house.ledger) == PictureCounts(ready=1, failed=1, waiting=0)
    tries = []
    for _ in range(8):
        clock[0] += timedelta(seconds=60)
        before = server.asked.count("/broken.png")
        take_turn(work, house.lease)
        tries.append(server.asked.count("/broken.png") - before)
    assert tries == [1, 0, 1, 0, 0, 0, 1, 0]
    server.pages["/broken.png"] = Page(content=render())
    clock[0] += timedelta(days=1)
    assert take_turn(work, house.lease) == 1


def test_the_pause_after_a_failure_has_a_limit() -> None:
    settings = PictureSettings()
    assert retry_after(settings, 0) == timedelta(minutes=1)
    assert retry_after(settings, 3) == timedelta(minutes=8)
    assert retry_after(settings, 10_000) == timedelta(weeks=1)


def test_a_killed_worker_loses_no_picture(tmp_path: Path, server: PictureServer) -> None:
    house = open_house(tmp_path)
    server.pages["/stuck.png"] = Page(content=render(), pause_s=0.5)
    pictures = {f"i{number}": server.url(f"/{number}.png") for number in range(40)}
    for number in range(40):
        server.pages[f"/{number}.png"] = Page(content=render(side_px=16 + number))
    send(house, **pictures, stuck=server.url("/stuck.png"))
    process = start_process(WORK_UNTIL_KILLED, str(tmp_path), server.host)
    until(lambda: "/stuck.png" in server.asked)
    process.kill()
    process.communicate()
    del server.pages["/stuck.png"]
    again = open_house(tmp_path)
    settings = PictureSettings(private_hosts=(server.host,))
    take_turn(work_of(again, tmp_path, settings), again.lease)
    assert picture_rows.count(again.ledger) == PictureCounts(ready=40, failed=1, waiting=0)
    assert len(server.asked) <= 41 + 32 + 1, "at most one batch is fetched again"
