"""Origins as browsers send them, and keys that nobody guesses."""

from __future__ import annotations

import pytest

from cron.api_keys import digest_of, draw_key, parse_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_what_a_browser_sends(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.shop.example",
        "shop.example",
        "https://",
        "https://shop.example/page",
        "https://shop.example?x",
        "https://ann@shop.example",
        "https://shop.example:port",
        "https://[::1",
        "file:///page.html",
        "null",
        "",
    ],
)
def test_what_is_not_an_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one such as"):
        parse_origin(text)


def test_a_key_has_256_random_bits_and_its_digest_hides_them() -> None:
    key, other = draw_key(), draw_key()
    assert key != other
    assert len(key.removeprefix("freshet_")) == 43  # 32 bytes in Base64
    assert digest_of(key.encode()) == digest_of(key.encode()) != digest_of(other.encode())
    assert len(bytes.fromhex(digest_of(key.encode()))) == 32
