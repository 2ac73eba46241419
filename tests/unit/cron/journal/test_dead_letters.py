"""Dead letters: kept with their reason, in bounded room."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cron.journal.dead_letters import MAX_RAW_CHARS, DeadLetter, DeadLetters

AT = datetime(2026, 11, 25, tzinfo=UTC)


def test_a_letter_is_kept_with_its_reason(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "var" / "dead.jsonl")
    assert letters.newest(5) == ()
    letters.add(
        source="gateway",
        reason="rating: found 'x'",
        raw={"rating": "x", "user_id": "ü\ud800"},
        at=AT,
    )
    letters.add(source="u.data:7", reason="3 columns", raw="a\tb\n", at=AT)
    first, second = DeadLetters(tmp_path / "var" / "dead.jsonl").newest(5)
    assert json.loads(first.raw)["rating"] == "x"
    assert second == DeadLetter(source="u.data:7", reason="3 columns", raw="a\tb\n", at=AT)
    assert letters.newest(1) == (second,)
    assert letters.newest(0) == ()


def test_anything_can_be_a_letter(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl")
    endless: list[object] = []
    endless.append(endless)
    for raw in (None, float("nan"), 10**5000, endless, {(1, 2): 3}, b"bytes", "x" * 1_000_000):
        letters.add(source="s", reason="r", raw=raw, at=AT)
    assert [len(letter.raw) <= MAX_RAW_CHARS + 1 for letter in letters.newest(10)] == [True] * 7


def test_a_torn_letter_does_not_swallow_the_next(tmp_path: Path) -> None:
    """A disk that was full, or a power cut, left half a line."""
    letters, file = DeadLetters(tmp_path / "dead.jsonl"), tmp_path / "dead.jsonl"
    letters.add(source="s", reason="first", raw="x", at=AT)
    file.write_bytes(file.read_bytes()[:-10])
    letters.add(source="s", reason="second", raw="x", at=AT)
    file.write_bytes(file.read_bytes() + b'{"at": 3}')
    letters.add(source="s", reason="third", raw="x", at=AT)
    assert [letter.reason for letter in letters.newest(9)] == ["second", "third"]


def test_a_letter_that_does_not_fit_is_logged_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    letters, file = DeadLetters(tmp_path / "dead.jsonl"), tmp_path / "dead.jsonl"
    assert letters.add(source="s", reason="first", raw="x", at=AT)
    size_bytes = file.stat().st_size
    with largest_file(size_bytes + 50):
        assert not letters.add_all([("second", "x" * 100), ("third", "y")], source="s", at=AT)
    assert file.stat().st_size == size_bytes
    (told,) = [
        record for record in caplog.records if record.getMessage() == "dead letters not written"
    ]
    assert (told.num_letters, told.first_reason) == (2, "second")  # type: ignore[attr-defined]
    assert letters.add(source="s", reason="fourth", raw="x", at=AT)
    assert [letter.reason for letter in letters.newest(9)] == ["first", "fourth"]


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow past a size: the next byte is refused, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_room_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl", max_bytes=2000)
    for number in range(200):
        letters.add(source="s", reason=str(number), raw="x" * 50, at=AT)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    assert [letter.reason for letter in letters.newest(3)] == ["197", "198", "199"]


def test_many_at_once_are_what_they_are_one_by_one(tmp_path: Path) -> None:
    refused = [(str(number), "x" * number) for number in range(100)]
    for name, max_bytes in (("roomy", 1 << 20), ("full", 3000), ("one", 1)):
        together, singly = (
            DeadLetters(tmp_path / name / how / "dead.jsonl", max_bytes=max_bytes)
            for how in ("together", "singly")
        )
        for first in (0, 37, 38):
            last = {0: 37, 37: 38, 38: 100}[first]
            together.add_all(refused[first:last], source="s", at=AT)
            for reason, raw in refused[first:last]:
                singly.add(source="s", reason=reason, raw=raw, at=AT)
        assert together.newest(100) == singly.newest(100)
        assert len(together.newest(100)) > 1
