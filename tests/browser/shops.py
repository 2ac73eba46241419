"""A shop's page on an origin of its own, a gateway with a browser key for it, and Chromium."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page

from cron import wiring
from cron.api_keys import digest_of, draw_key
from cron.ledger import key_rows
from cron.project_root import PROJECT_ROOT
from cron.settings.tree import GatewaySettings, Settings
from recommender.records.events import Event
from tests.component.gateway_process import RunningGateway, StandIn, gateway, settings_in

LIMIT_S = 60.0
README = PROJECT_ROOT / "README.md"


@contextmanager
def new_page(chromium: Browser, *, locale: str | None = None) -> Iterator[Page]:
    """Open an empty page in a new profile; an error in a page's script fails the test."""
    context = chromium.new_context(locale=locale)
    page = context.new_page()
    page.set_default_timeout(LIMIT_S * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


@dataclass(frozen=True, kw_only=True)
class WebShop:
    """A running shop. `folder` has its pages, `url` serves them, `key` is the browser key."""

    gateway: RunningGateway
    folder: Path
    url: str
    key: str

    @property
    def gateway_url(self) -> str:
        return str(self.gateway.client.base_url).rstrip("/")

    def add_own_key(self) -> str:
        """Make a key for the gateway's own pages, and return it when the gateway knows it."""
        key = add_browser_key(self.gateway.settings, "demo", origin=self.gateway_url)
        headers = {"Authorization": f"Bearer {key}"}
        deadline = time.monotonic() + LIMIT_S
        while self.gateway.client.get("/v1/release", headers=headers).status_code == 401:
            assert time.monotonic() < deadline, "the gateway does not follow the ledger's keys"
            time.sleep(0.02)
        return key

    def events(self) -> list[Event]:
        """Return the events that the gateway stored, in the order of its log."""
        return [one for one in self.gateway.log_records() if isinstance(one, Event)]

    def actions(self) -> list[Event]:
        """Return the stored events that the visitor did: all but impressions."""
        return [one for one in self.events() if one.type != "impression"]

    def wait_for_actions(self, page: Page, count: int) -> list[Event]:
        """Wait until the log has at least `count` actions, and return them."""
        return until(page, lambda: len(self.actions()) >= count, self.actions)


def until(page: Page, true: Callable[[], bool], found: Callable[[], list[Event]]) -> list[Event]:
    """Poll while the browser goes on; return what was found, and fail after a limit."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, f"waited {LIMIT_S:.0f} s; found {found()}"
        page.wait_for_timeout(50)
    return found()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder, without a line for each request."""

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a shop's pages on a free port; yield the origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def open_shop(
    folder: Path, ledger: Path, *, gateway_settings: GatewaySettings | None = None
) -> Iterator[WebShop]:
    """Run a gateway with a browser key, and a shop whose page is the one in the README."""
    model = StandIn()
    model.body = {
        "items": [
            {"id": str(number), "title": f"Film {number}", "score": 1.0 / number}
            for number in range(1, 7)
        ]
    }
    settings = settings_in(folder, inference_port=model.port)
    if gateway_settings is not None:
        settings = replace(settings, gateway=gateway_settings)
    pages = folder / "pages"
    pages.mkdir()
    shutil.copy(ledger, folder / "ledger.db")
    with serve_folder(pages) as url:
        key = add_browser_key(settings, "of the test", origin=url)
        with gateway(settings) as client:
            shop = WebShop(
                gateway=RunningGateway(client=client, settings=settings, model=model),
                folder=pages,
                url=url,
                key=key,
            )
            write_page(shop)
            yield shop
    model.stop()


def add_browser_key(settings: Settings, name: str, *, origin: str) -> str:
    """Make a key for the pages of an origin; return it."""
    key = draw_key()
    ledger = wiring.open_ledger(settings.store.ledger)
    key_rows.add(
        ledger,
        name,
        digest_of(key.encode()),
        roles=("browser",),
        origins=(origin,),
        created_by="ann",
    )
    ledger.close()
    return key


def write_page(shop: WebShop) -> None:
    """Write the README's page, with this gateway's key, and a page without a list."""
    page = readme_page().replace("http://127.0.0.1:8000", shop.gateway_url)
    (shop.folder / "index.html").write_text(
        page.replace("YOUR-BROWSER-KEY", shop.key), encoding="utf-8"
    )
    (shop.folder / "bare.html").write_text(
        f'<!doctype html><title>Bare</title><script src="{shop.gateway_url}/freshet.js"></script>'
        f"<script>freshet.init({{ key: '{shop.key}' }});</script>",
        encoding="utf-8",
    )


def readme_page() -> str:
    """Return the page of the README."""
    (page,) = re.findall(r"```html\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    return str(page)


def open_page(page: Page, shop: WebShop, *, consent: bool = True) -> Page:
    """Open the shop's page with its row, and agree unless told otherwise."""
    page.goto(shop.url)
    page.wait_for_selector("#row li")
    if consent:
        # the row is drawn again, and a click on a button of the old one would be lost
        page.evaluate("() => { for (const one of row.children) one.dataset.old = true; }")
        page.check("#agree")
        page.wait_for_selector("#row li:not([data-old])")
    return page


def open_bare_page(page: Page, shop: WebShop, *, consent: bool = True) -> Page:
    """Open a page without a list, and agree unless told otherwise."""
    page.goto(f"{shop.url}/bare.html")
    page.evaluate("(given) => freshet.consent(given)", consent)
    return page


def stored_names(page: Page) -> list[str]:
    """Return the names under which the snippet stored something in this browser."""
    names: list[str] = page.evaluate(
        "() => Object.keys(localStorage).filter((name) => name.startsWith('freshet:')).sort()"
    )
    return names
