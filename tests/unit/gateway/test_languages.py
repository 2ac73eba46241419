"""The language of texts: what a browser prefers of the languages that there are."""

from __future__ import annotations

import pytest

from gateway.content.languages import accepted_language, read_language
from recommender.requests.wire import BadRequest


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr,zh-TW;q=0.5", "zh"),
        ("en;q=0.2, zh;q=0.7", "zh"),
        ("ZH", "zh"),
        ("fr-FR,fr;q=0.9", None),
        ("zh;q=0", None),
        ("zh;q=x", None),
        ("*", None),
        ("", None),
        (None, None),
        ("," * 5000 + "zh", None),
    ],
)
def test_the_language_is_the_preferred_one(header: str | None, language: str | None) -> None:
    assert accepted_language(header) == language


def test_another_language_is_refused_by_name() -> None:
    assert read_language("zh") == "zh"
    with pytest.raises(BadRequest, match="expected en or zh"):
        read_language("fr")
