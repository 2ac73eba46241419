"""`/docs` works without another host: the page and every file that it names come from here."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.component.gateway_process import RunningGateway


class Addresses(HTMLParser):
    """Collects the addresses that a page names, and its inline scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.has_inline_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note `src` and `href`."""
        named = [value for name, value in attrs if name in ("src", "href") and value]
        self.found += named
        self.has_inline_script |= tag == "script" and not named


def test_the_page_and_its_files_are_served_from_here(shared_gateway: RunningGateway) -> None:
    page = shared_gateway.client.get("/docs")
    assert page.status_code == 200
    addresses = Addresses(page.text)
    assert len(addresses.found) == 4
    assert not addresses.has_inline_script
    for address in addresses.found:
        assert address.startswith("/docs/")
        asset = shared_gateway.client.get(address)
        assert asset.status_code == 200, address
        assert len(asset.content) > 100, address
        assert (
            shared_gateway.client.head(address).headers["content-type"]
            == asset.headers["content-type"]
        )


def test_the_page_may_load_and_call_nothing_elsewhere(shared_gateway: RunningGateway) -> None:
    page = shared_gateway.client.get("/docs")
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "://" not in policy
    script = shared_gateway.client.get("/docs/docs.js").text
    assert 'url: "/openapi.json"' in script
    assert "://" not in script
    style = shared_gateway.client.get("/docs/swagger-ui.css").text
    assert set(re.findall(r"url\(\s*[\"']?(.{5})", style)) == {"data:"}
    assert "@import" not in style


def test_the_bundle_can_show_openapi_3_1(shared_gateway: RunningGateway) -> None:
    bundle = shared_gateway.client.get("/docs/swagger-ui-bundle.js").text
    version = re.search(r'PACKAGE_VERSION:"(\d+)\.', bundle)
    assert version is not None
    assert int(version[1]) >= 5
    assert shared_gateway.client.get("/openapi.json").json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "..%2fstatus.html"])
def test_no_other_file_is_served(shared_gateway: RunningGateway, name: str) -> None:
    assert shared_gateway.client.get(f"/docs/{name}").status_code == 404
