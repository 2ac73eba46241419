"""Which hidden items are left out before a draw."""

from __future__ import annotations

from gateway.model.drawn_hidden import MAX_KEPT, DrawnHidden


def test_items_are_kept_until_the_next_release() -> None:
    drawn = DrawnHidden()
    drawn.note(3, {"b", "a"})
    drawn.note(3, {"c", "a"})
    assert list(drawn.ids) == ["a", "b", "c"]
    drawn.note(4, {"d"})
    assert list(drawn.ids) == ["d"]


def test_the_newest_are_kept() -> None:
    drawn = DrawnHidden()
    for number in range(MAX_KEPT + 5):
        drawn.note(3, [f"i{number}"])
    assert len(drawn.ids) == MAX_KEPT
    assert drawn.ids[-1] == f"i{MAX_KEPT + 4}"
    assert "i4" not in drawn.ids
