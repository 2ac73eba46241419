"""URLs of writers of texts."""

from __future__ import annotations

import pytest

from cron.urls.writers import RemoteWriterUrl, ServedWriterUrl, parse_writer
from cron.urls.wrong_url import WrongUrl


def test_a_writer_is_torchserves_or_remote() -> None:
    assert parse_writer("torchserve:") == ServedWriterUrl()
    url = parse_writer("https://api.deepseek.com/v1/?model=deepseek-chat")
    assert url == RemoteWriterUrl(root="https://api.deepseek.com/v1", model="deepseek-chat")
    local = parse_writer("http://127.0.0.1:8001/v1?model=deepseek-ai%2Fdeepseek-llm-7b-chat")
    assert local == RemoteWriterUrl(
        root="http://127.0.0.1:8001/v1", model="deepseek-ai/deepseek-llm-7b-chat"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "deepseek",
        "https://api.deepseek.com/v1",
        "https:///v1?model=m",
        "https://key@api.deepseek.com/v1?model=m",
        "ftp://host/v1?model=m",
        "https://host/v1?model=a&model=b",
        "https://host/v1?model=a&key=b",
    ],
)
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(WrongUrl):
        parse_writer(url)
