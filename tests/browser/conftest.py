"""Chromium, started once, with a fresh profile for each test; and a shop for each module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.shops import LIMIT_S, WebShop, new_page, open_shop
from tests.component import story


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium; a machine without it fails these tests."""
    program = shutil.which("chromium")
    assert program is not None, "these tests need Chromium: apt-get install chromium"
    expect.set_options(timeout=LIMIT_S * 1000)
    with sync_playwright() as playwright:
        # root, as in continuous integration, can't use Chromium's sandbox
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open an empty page in a new profile."""
    with new_page(chromium) as page:
        yield page


@pytest.fixture(scope="session")
def story_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with a live release, to be copied."""
    file = tmp_path_factory.mktemp("story") / "ledger.db"
    story.tell(file).close()
    return file


@pytest.fixture
def shop(tmp_path: Path, story_ledger: Path) -> Iterator[WebShop]:
    """Run a shop that has no events."""
    with open_shop(tmp_path, story_ledger) as shop:
        yield shop
