"""A program that needs longer than its limit to be ready."""

from __future__ import annotations

from pathlib import Path

from deploy.supervision.supervisor import ProgramFailed


def test_a_slow_program_is_not_reported_as_ended(tmp_path: Path) -> None:
    """On a busy machine it runs, and the next `make stack` waits for it again."""
    log = tmp_path / "flink.out"
    log.write_text("connecting\n")
    said = str(ProgramFailed("flink", log=log, waited_s=60.0))
    assert said.startswith("flink runs, but is not ready after 60 s; to wait longer, start again;")
    assert "connecting" in said
    assert "does not stay up" in str(ProgramFailed("flink", log=log))
