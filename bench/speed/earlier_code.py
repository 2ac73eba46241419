"""The code of an earlier commit, for benches that compare it with the code of today."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.project_root import PROJECT_ROOT


@contextmanager
def code_of(commit: str, folder: Path) -> Iterator[Path]:
    """Check out a commit in a worktree of its own, and yield its folder."""
    code = folder / "code"
    subprocess.run(
        ["git", "worktree", "add", "--detach", str(code), commit],
        cwd=PROJECT_ROOT,
        check=True,
        capture_output=True,
    )
    try:
        yield code
    finally:
        subprocess.run(
            ["git", "worktree", "remove", "--force", str(code)], cwd=PROJECT_ROOT, check=True
        )
