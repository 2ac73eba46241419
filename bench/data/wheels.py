"""Wheels of which some files are needed, fetched once and without dependencies."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from cron.project_root import PROJECT_ROOT


def unpacked_wheel(requirement: str) -> Path:
    """Return the folder with the wheel's packages; without an index, pip's error is shown."""
    folder = PROJECT_ROOT / "var" / "wheels" / requirement
    if not folder.exists():
        download = folder.with_name(f"{requirement}.download")
        partial = folder.with_name(f"{requirement}.partial")
        with zipfile.ZipFile(downloaded_wheel(requirement, download)) as zipped:
            zipped.extractall(partial)
        partial.rename(folder)
        shutil.rmtree(download)
    return folder


def downloaded_wheel(requirement: str, folder: Path) -> Path:
    """Return the wheel in a folder, which is downloaded if the folder has none."""
    if not any(folder.glob("*.whl")):
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip"]
        options = ["-q", "--no-deps", "--dest", str(folder)]
        subprocess.run([*pip, "download", *options, requirement], check=True)
    return next(iter(folder.glob("*.whl")))
