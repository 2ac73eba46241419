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

from cron.errors import Unavailable
from cron.ledger import shown_pictures
from cron.ledger.shown_pictures import PictureCounts
from cron.pictures.fetching import PictureFetcher
from cron.pictures.picture_turn import PictureWork, retry_after, take_turn
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.settings.tree import PictureSettings
from recommender.encoder.picture_encoder import open_picture
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


def thumbnail_picture(house: House, folder: Path, item_id: str) -> Image.Image:
    sha256 = shown_pictures.thumbnails_of(house.ledger, [item_id])[item_id]
    with Image.open(ThumbnailFiles(house.artifacts, folder / "elsewhere").path(sha256)) as picture:
        return picture.copy()


def test_no_room_for_thumbnails_is_reported_with_the_path(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    """The worker then tries again; the picture is not at fault."""
    send(house, a=server.url("/red.png"))
    work = work_of(house, tmp_path, PictureSettings(private_hosts=(server.host,)))
    (tmp_path / "thumbnails").touch()  # a file where a folder must be, which stops root too
    with pytest.raises(Unavailable, match=f"the folder of thumbnails at {tmp_path}/thumbnails"):
        take_turn(work, house.lease)
    (tmp_path / "thumbnails").unlink()
    assert take_turn(work, house.lease) == 1


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
        colours = thumbnail_picture(house, tmp_path, item_id).getpixel((16, 16))
        assert isinstance(colours, tuple)
        assert max(range(3), key=colours.__getitem__) == place
    assert thumbnail_picture(house, tmp_path, "black").size == (32, 32)
    assert take_turn(work, house.lease) == 0
    assert server.asked == ["/red.png"]


def test_without_an_allow_list_nothing_is_fetched(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    send(house, red=server.url("/red.png"), file="file:///etc/hostname")
    assert take_turn(work_of(house, tmp_path, PictureSettings()), house.lease) == 0
    assert server.asked == []
    waiting = PictureCounts(ready=0, failed=0, waiting=2)
    assert shown_pictures.count(house.ledger) == waiting, "they wait until the settings allow them"
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
    assert shown_pictures.count(house.ledger).failed == 4


def test_a_broken_picture_is_tried_again_with_growing_pauses(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    """It does not keep the others waiting, and once it is repaired it is there."""
    clock = [datetime(2030, 1, 1, tzinfo=UTC)]
    house.ledger.now = lambda: clock[0]
    send(house, broken=server.url("/broken.png"), blue=server.url("/blue.jpg"))
    work = work_of(house, tmp_path, PictureSettings(private_hosts=(server.host,)))
    assert take_turn(work, house.lease) == 1
    assert shown_pictures.count(house.ledger) == PictureCounts(ready=1, failed=1, waiting=0)
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
    assert shown_pictures.count(again.ledger) == PictureCounts(ready=40, failed=1, waiting=0)
    assert len(server.asked) <= 41 + 32 + 1, "at most one batch is fetched again"


def test_all_pictures_of_an_item_are_fetched_up_to_a_limit(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    paths = [f"/{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        server.pages[path] = Page(content=render(side_px=20 + number))
    urls = tuple(map(server.url, paths))
    house.log.append([replace(item(0, "lamp"), images=urls)])
    house.collect()
    settings = PictureSettings(private_hosts=(server.host,), per_item=3, at_once=1)
    work = work_of(house, tmp_path, settings)
    assert take_turn(work, house.lease) == 3
    assert server.asked[0] == "/0.png", "the main picture comes first"
    assert sorted(server.asked) == paths[:3]
    more = shown_pictures.more_thumbnails_of(house.ledger, ["lamp"])["lamp"]
    shown = [open_picture(work.fetcher.files.path(sha256).read_bytes()) for sha256 in more]
    assert [one.size[0] for one in shown] == [21, 22]


def test_a_picture_is_checked_again_and_replaced_if_it_changed(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    """The same URL: its bytes are sent again only when they changed; a missing one stays."""
    clock = [datetime(2030, 1, 1, tzinfo=UTC)]
    house.ledger.now = lambda: clock[0]
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "green.png").write_bytes(render("green"))
    tag, day = {"ETag": '"1"'}, {"Last-Modified": "Tue, 01 Jan 2030 00:00:00 GMT"}
    server.pages["/red.png"] = Page(content=render("red"), headers=tag)
    server.pages["/blue.jpg"] = Page(content=render("blue"), headers=day)
    send(
        house,
        red=server.url("/red.png"),
        blue=server.url("/blue.jpg"),
        green=f"file://{tmp_path}/files/green.png",
    )
    settings = PictureSettings(
        private_hosts=(server.host,), folder=str(tmp_path / "files"), check_again_s=3600.0
    )
    work = work_of(house, tmp_path, settings)
    assert take_turn(work, house.lease) == 3
    before = shown_pictures.thumbnails_of(house.ledger, ["red", "blue", "green"])
    clock[0] += timedelta(seconds=3601)
    assert take_turn(work, house.lease) == 0
    assert server.asked.count("/red.png") == server.asked.count("/blue.jpg") == 2
    assert take_turn(work, house.lease) == 0
    assert len(server.asked) == 4, "the next check is an hour later"
    server.pages["/red.png"] = Page(content=render("black"), headers={"ETag": '"2"'})
    del server.pages["/blue.jpg"]
    (tmp_path / "files" / "green.png").write_bytes(render("yellow", side_px=32))
    clock[0] += timedelta(seconds=3601)
    assert take_turn(work, house.lease) == 2
    after = shown_pictures.thumbnails_of(house.ledger, ["red", "blue", "green"])
    assert [name for name in before if after[name] != before[name]] == ["green", "red"]
    assert shown_pictures.count(house.ledger) == PictureCounts(ready=3, failed=0, waiting=0)
    stored = set(house.artifacts.names("pictures/thumbnails/"))
    assert {name.rpartition("/")[2] for name in stored} == {f"{one}.jpg" for one in after.values()}


def test_thumbnails_that_no_item_has_are_deleted(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    send(house, a=server.url("/red.png"), b=server.url("/red.png"), c=server.url("/blue.jpg"))
    work = work_of(house, tmp_path, PictureSettings(private_hosts=(server.host,)))
    assert take_turn(work, house.lease) == 2
    send(house, a=None, c=None)
    take_turn(work, house.lease)
    (left,) = house.artifacts.names("pictures/thumbnails/")
    assert left.endswith(f"{shown_pictures.thumbnails_of(house.ledger, ['b'])['b']}.jpg")
    send(house, c=server.url("/blue.jpg"))
    assert take_turn(work, house.lease) == 1, "it comes back with the item that has it again"
    send(house, b=None, c=None)
    take_turn(work, house.lease)
    assert house.artifacts.names("pictures/thumbnails/") == ()
    assert not [path for path in (tmp_path / "thumbnails").rglob("*") if path.is_file()]


def test_a_turn_ends_when_its_time_is_over(
    house: House, tmp_path: Path, server: PictureServer
) -> None:
    send(house, a=server.url("/red.png"))
    work = work_of(house, tmp_path, PictureSettings(private_hosts=(server.host,)))
    assert take_turn(replace(work, limit_s=0.0), house.lease) == 0
    assert server.asked == []
    assert take_turn(work, house.lease) == 1
