"""What long work shows on a terminal, and in a log."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import termios

from recommender.long_work import PhaseLines, progress_bar


def test_a_log_has_a_line_with_done_and_total() -> None:
    out = io.StringIO()
    with progress_bar("ingesting", unit=" events", total=4, out=out, every_s=0.0) as bar:
        bar.update(1)
        bar.update(3)
    lines = out.getvalue().splitlines()
    assert [line.split(" [")[0] for line in lines[1:]] == [
        "ingesting:  25% 1/4",
        "ingesting: 100% 4/4",
        "ingesting: 100% 4/4",
    ]
    assert "\r" not in out.getvalue()


def test_a_log_counts_what_has_no_known_end() -> None:
    out = io.StringIO()
    with progress_bar("recommending", unit=" users", out=out, every_s=0.0) as bar:
        bar.update(500)
    assert "recommending: 500 users [" in out.getvalue()


def test_a_log_has_nothing_of_short_work() -> None:
    out = io.StringIO()
    with progress_bar("ingesting", unit=" events", total=4, out=out) as bar:
        bar.update(4)
    assert out.getvalue() == ""


def test_a_bar_within_another_one_writes_whole_lines() -> None:
    out = io.StringIO()
    with (
        progress_bar("ingesting", unit=" items", out=out, every_s=0.0) as bar,
        progress_bar("reading u.item", unit="B", is_passing=True, out=out, every_s=0.0) as inner,
    ):
        inner.update(2_000_000)
        bar.update(1)
    lines = out.getvalue().splitlines()
    assert [line.split(" [")[0] for line in lines[-3:]] == [
        "reading u.item: 2.00MB",
        "ingesting: 1 items",
        "ingesting: 1 items",
    ]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_has_a_bar_on_one_line() -> None:
    reading, writing = os.openpty()
    termios.tcsetwinsize(writing, (24, 80))
    code = (
        "from recommender.long_work import progress_bar\n"
        "with progress_bar('ingesting', unit=' events', total=2) as bar:\n"
        "    bar.update(2)\n"
    )
    subprocess.run([sys.executable, "-c", code], stderr=writing, check=True)
    shown = os.read(reading, 4096).decode()
    os.close(reading)
    os.close(writing)
    assert shown.count("\n") == 1
    assert "100%|█" in shown


def test_phases_have_a_first_line_and_more_while_they_last() -> None:
    lines: list[str] = []
    shown = PhaseLines(lines.append, every_s=0.0)
    shown.show("read")
    shown.show("train", "2% done")
    shown.show("train", "3% done")
    shown.show("train")
    assert lines == ["read", "train", "train, 3% done, 0 s so far", "train, 0 s so far"]


def test_a_phase_is_not_repeated_before_it_is_due() -> None:
    lines: list[str] = []
    shown = PhaseLines(lines.append)
    for _ in range(3):
        shown.show("train", "2% done")
    assert lines == ["train"]
