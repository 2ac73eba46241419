"""Each lock holds what its requirement files ask for: remake them with `make lock`."""

from __future__ import annotations

import re

import pytest

from cron.project_root import PROJECT_ROOT
from deploy.install.packages import UV
from deploy.install.requirements import LOCK_OF

LOCKS = sorted(set(LOCK_OF.values()))
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", re.MULTILINE)
REMAKE = "run: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_the_versions_of_its_requirements(name: str) -> None:
    asked: dict[str, str] = {}
    for file in _files_of(name):
        asked |= _pins((PROJECT_ROOT / file).read_text())
    locked = _pins(_lock(name))
    assert {package: locked.get(package) for package in asked} == asked, REMAKE


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_asks_for_nothing_that_was_removed(name: str) -> None:
    """uv notes below each package who asks for it: a file, or a package that is still locked."""
    files = {file: _pins((PROJECT_ROOT / file).read_text()) for file in _files_of(name)}
    for entry in re.split(r"\n(?=\w)", _lock(name)):
        pinned = PIN.match(entry)
        if pinned is None:
            continue
        for file in re.findall(r"-r (\S+)", entry):
            assert _canonical(pinned[1]) in files[file], f"{pinned[1]} left {file}; {REMAKE}"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    text = _lock(name)
    entries = [entry for entry in re.split(r"\n(?=\w)", text) if PIN.match(entry)]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text, "a lock names no index, so that it can be used behind any mirror"


def test_a_package_in_two_locks_has_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for name in LOCKS:
        for package, version in _pins(_lock(name)).items():
            versions.setdefault(package, set()).add(version)
    assert not {package: found for package, found in versions.items() if len(found) > 1}, REMAKE


def test_the_image_installs_with_the_same_uv() -> None:
    assert f" {UV} " in (PROJECT_ROOT / "deploy" / "Dockerfile").read_text()


def _files_of(lock: str) -> list[str]:
    return [file for file, its_lock in LOCK_OF.items() if its_lock == lock]


def _lock(name: str) -> str:
    return (PROJECT_ROOT / name).read_text()


def _pins(text: str) -> dict[str, str]:
    return {_canonical(name): version for name, version in PIN.findall(text)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
