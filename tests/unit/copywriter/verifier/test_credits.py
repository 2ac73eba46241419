"""The rule on roles: a name of the brief in another role, and the item as its own reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


@pytest.mark.parametrize(
    "text",
    [
        "Directed by Irvin Kershner.",
        "Starring Carrie Fisher, written by George Lucas.",
        "Because you liked “Star Wars”.",
        "“Star Wars” caught your eye, so try “The Empire Strikes Back”.",
        "In the spirit of “Alien”.",
        "You liked “Alien”, so you may like “The Empire Strikes Back”.",
        "Irvin Kershner's sci-fi film stars Carrie Fisher.",
    ],
)
def test_names_in_their_roles_are_accepted(text: str) -> None:
    assert "roles" not in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Directed by George Lucas.",
        "Starring Irvin Kershner.",
        "Carrie Fisher directs.",
        "Carrie Fisher's sci-fi film.",
        "Carrie Fisher's “The Empire Strikes Back”.",
        "Carrie Fisher, who directed it.",
        "Carrie Fisher, who has also directed it.",
        "Carrie Fisher is a famous director.",
        "Because you liked “The Empire Strikes Back”.",
        "“The Empire Strikes Back” caught your eye.",
    ],
)
def test_names_in_other_roles_are_rejected(text: str) -> None:
    assert "roles" in broken_rules(text)


def test_roles_are_read_in_chinese() -> None:
    assert "roles" not in broken_rules("由Irvin Kershner执导。", ZH)
    assert "roles" in broken_rules("由Carrie Fisher执导。", ZH)
    assert "roles" in broken_rules("编剧是Carrie Fisher。", ZH)
    assert "roles" in broken_rules("你看过《The Empire Strikes Back》。", ZH)
    assert "roles" in broken_rules("看过《The Empire Strikes Back》，也看过科幻。", ZH)
    assert "roles" not in broken_rules("看过《Star Wars》，也看看《The Empire Strikes Back》。", ZH)
    assert "roles" not in broken_rules("还没看过《The Empire Strikes Back》？", ZH)
