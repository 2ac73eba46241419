"""The README's way to a page of a shop: its commands make keys, and its page works with one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial

from playwright.sync_api import Page

from cron.project_root import PROJECT_ROOT
from tests.architecture.documents import commands
from tests.browser.shops import README, WebShop, open_page, until, write_page


def make_key(command: str, shop: WebShop) -> str:
    """Run a command of the README for a shop; return the key that it prints."""
    words = shlex.split(command.replace("http://127.0.0.1:8001", shop.url))
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=PROJECT_ROOT,
        env={**os.environ, "FRESHET__STORE__LEDGER": shop.gateway.settings.store.ledger},
        capture_output=True,
        text=True,
        check=True,
    )
    (key,) = [word for word in done.stdout.split() if word.startswith("freshet_")]
    return key


def is_answered(shop: WebShop, path: str, headers: dict[str, str]) -> bool:
    """Return whether the gateway, which reads the keys again and again, knows one already."""
    return shop.gateway.client.get(path, headers=headers).status_code == 200


def test_the_readmes_keys_and_page_record_a_click(page: Page, shop: WebShop) -> None:
    key, back_end, me = [
        make_key(command, shop) for command in commands(README) if " keys add " in command
    ]
    write_page(replace(shop, key=key))
    for path, own_key in (("/v1/popular", back_end), ("/v1/status", me)):
        headers = {"Authorization": f"Bearer {own_key}"}
        until(page, partial(is_answered, shop, path, headers), shop.events)
    open_page(page, shop)
    page.locator("#row button").first.click()
    until(page, lambda: any(one.type == "click" for one in shop.events()), shop.events)
    status = shop.gateway.client.get("/v1/status", headers={"Authorization": f"Bearer {me}"})
    assert "operate" in status.json()["roles"]
