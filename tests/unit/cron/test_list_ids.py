"""Ids of lists: a UUIDv7 that says which release made the list, and when."""

from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.list_ids import draw_list_id, read_list_id


@given(version=st.integers(0, (1 << 24) - 2))
def test_an_id_says_its_release_and_its_time(version: int) -> None:
    before = time.time_ns() // 1_000_000
    text = draw_list_id(version)
    read = read_list_id(text)
    assert read is not None
    assert read.version == version
    assert before <= read.at_ms <= time.time_ns() // 1_000_000
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (7, uuid.RFC_4122)


@pytest.mark.parametrize("version", [None, -1, 1 << 24])
def test_a_list_of_no_release_says_none(version: int | None) -> None:
    text = draw_list_id(version)
    assert uuid.UUID(text).version == 7
    assert read_list_id(text) is None


@given(text=st.one_of(st.text(), st.uuids().map(str)))
def test_ids_of_others_say_nothing(text: str) -> None:
    assert read_list_id(text) is None


def test_ids_of_one_moment_differ() -> None:
    assert len({draw_list_id(3) for _ in range(10_000)}) == 10_000
