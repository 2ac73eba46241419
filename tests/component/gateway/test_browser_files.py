"""The files that browsers load: open to everybody, cached, and calling no other host."""

from __future__ import annotations

import pytest

from tests.component.gateway_process import RunningGateway

MAX_SNIPPET_BYTES = 16_000  # every page of a shop loads it


def test_the_shop_may_load_and_call_nothing_elsewhere(shared_gateway: RunningGateway) -> None:
    page = shared_gateway.client.get("/shop")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "://" not in policy
    assert "://" not in shared_gateway.client.get("/shop.js").text


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/freshet.js", "text/javascript; charset=utf-8"),
        ("/freshet.d.ts", "text/plain; charset=utf-8"),
        ("/freshet-api.d.ts", "text/plain; charset=utf-8"),
    ],
)
def test_files_for_browsers_are_served(
    shared_gateway: RunningGateway, path: str, media_type: str
) -> None:
    # a page of any site may load them, also where the gateway has no key
    answer = shared_gateway.client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert shared_gateway.client.head(path).headers["etag"] == answer.headers["etag"]


def test_the_snippet_is_small_and_names_no_other_host(shared_gateway: RunningGateway) -> None:
    snippet = shared_gateway.client.get("/freshet.js")
    assert len(snippet.content) < MAX_SNIPPET_BYTES
    assert "://" not in snippet.text
