"""Questions for one text: strict, with the shop's style where they do not say."""

from __future__ import annotations

import pytest

from copywriter.brief import BriefAttribute
from copywriter.list_briefs import CopyStyle
from gateway.copy.questions import parse_copy
from recommender.requests.wire import BadRequest

STYLE = CopyStyle(language="zh", tone="warm", max_chars=90)


def test_a_short_question_has_the_style_of_the_shop() -> None:
    asked = parse_copy({"item_ids": ["7"]}, STYLE)
    assert (asked.item_ids, asked.kind, asked.style) == (("7",), "reason_line", STYLE)
    assert (asked.user_id, asked.history, asked.audience) == (None, (), None)


def test_a_question_may_say_everything() -> None:
    asked = parse_copy(
        {
            "item_ids": ["7", 8],
            "kind": "newsletter",
            "user_id": "ann",
            "history": ["1"],
            "audience": {"genre": ["Drama", "War"]},
            "language": "en",
            "tone": "lively",
            "placement": "home",
            "timeout_s": 0.5,
        },
        STYLE,
    )
    assert asked.item_ids == ("7", "8")
    assert asked.audience == BriefAttribute(name="genre", values=("Drama", "War"))
    assert asked.style == CopyStyle(language="en", tone="lively", max_chars=360, placement="home")
    assert asked.timeout_s == 0.5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "item_ids"),
        ({"item_ids": ["1", "2"]}, "item_ids"),
        ({"item_ids": ["1"], "kind": "poem"}, "kind"),
        ({"item_ids": ["1"], "language": "fr"}, "language"),
        ({"item_ids": ["1"], "tone": "loud"}, "tone"),
        ({"item_ids": ["1"], "max_chars": 5}, "max_chars"),
        ({"item_ids": ["1"], "max_chars": True}, "max_chars"),
        ({"item_ids": ["1"], "timeout_s": 0}, "timeout_s"),
        ({"item_ids": ["1"], "timeout_s": 60}, "timeout_s"),
        ({"item_ids": ["1"], "audience": {}}, "audience"),
        ({"item_ids": ["1"], "audience": {"a": "b", "c": "d"}}, "audience"),
        ({"item_ids": ["1"], "prompt": "Say hi"}, "prompt"),
    ],
)
def test_a_mistake_names_its_field(body: dict[str, object], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_copy(body, STYLE)
    assert caught.value.field == field
