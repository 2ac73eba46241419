"""docs/architecture.md names every source file with the first line of its docstring."""

from __future__ import annotations

import pytest

from tests.architecture.file_map import BEGIN, END, PAGE, file_map, with_map


def test_the_map_is_that_of_the_tree() -> None:
    page = PAGE.read_text()
    assert with_map(page) == page, "run: python -m tests.architecture.file_map"


def test_another_tree_would_be_another_map() -> None:
    assert "`cron/cycle/`" in file_map()
    assert "* `plan.py`: " in file_map()
    assert with_map(f"a {BEGIN} old {END} z").startswith(f"a {BEGIN}\n\n**`recommender/`**")
    with pytest.raises(ValueError, match="unpack"):
        with_map("a page without marks")
