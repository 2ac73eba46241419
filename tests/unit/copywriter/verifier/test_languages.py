"""The rule on language: by scripts, outside of the names of the brief."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.copywriter.broken_rules import broken_rules
from tests.unit.copywriter.made_up_briefs import FILM

ZH = replace(FILM, language="zh")


def test_english_is_written_in_latin_letters() -> None:
    assert "language" not in broken_rules("Sci-fi, with a café.")
    assert "language" in broken_rules("科幻片。")
    assert "language" in broken_rules("Sci-fi 科幻.")
    assert "language" in broken_rules("Фантастика.")


def test_chinese_is_written_in_han() -> None:
    assert "language" not in broken_rules("与《Star Wars》相近的科幻片。", ZH)
    assert "language" in broken_rules("More sci-fi for you.", ZH)
    assert "language" in broken_rules("科幻 film 推荐。", ZH)
    assert "language" in broken_rules("すばらしい映画。", ZH)


def test_a_name_in_another_script_is_accepted() -> None:
    brief = replace(FILM, items=(replace(FILM.items[0], title="霸王别姬"),))
    assert "language" not in broken_rules("“霸王别姬” is sci-fi.", brief)
