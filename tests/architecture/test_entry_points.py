"""Every program that writes files keeps them to its owner's account."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from tests.architecture.sources import display_path

# install makes the environment, which others may use; passwords makes one file, private by
# itself, also with Pythons that can't load the rest; healthy writes nothing
WITHOUT = {"deploy/install/__main__.py", "deploy/stack/passwords.py", "deploy/stack/healthy.py"}
PROGRAMS = [
    file
    for folder in ("cron", "gateway", "deploy", "trainer")
    for file in sorted((PROJECT_ROOT / folder).rglob("*.py"))
    if 'if __name__ == "__main__":' in file.read_text() and display_path(file) not in WITHOUT
]


@pytest.mark.parametrize("file", PROGRAMS, ids=display_path)
def test_a_program_keeps_its_files_private(file: Path) -> None:
    assert " keep_private()\n" in file.read_text() or "    os.umask(0o077)" in file.read_text()


def test_supervisord_does_not_open_what_its_programs_write() -> None:
    assert "\numask=077\n" in (PROJECT_ROOT / "deploy" / "supervisord.conf").read_text()
