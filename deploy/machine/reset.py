"""`make reset`: delete everything that a machine has learned.

    python -m deploy.machine.reset [--confirm yes]

Deletes the working folder and what the stores hold on this disk; keeps the fetched demo data and
`.venv`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from cron.errors import FreshetError
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.places import var_folder
from cron.settings.private_files import keep_private
from cron.settings.tree import Settings
from cron.urls import files
from cron.urls.passwords import hide_password
from deploy.machine.preflight import NotReady, only_instance
from deploy.stack.layout import PORTS_FILE
from deploy.supervision.configuration import Place
from deploy.supervision.supervisor import Supervisor

# `data` and `parts` were fetched once; `serve.lock` is the lock that reset itself holds.
KEPT = {"data", "parts", "serve.lock", "README.md"}
DATABASE_FILES = ("", "-wal", "-shm", "-journal")  # SQLite's own; not somebody's backup


def reset(settings: Settings) -> None:
    """Delete what was learned; raise NotReady while it is served or a stack runs on it."""
    var = var_folder(settings)
    with only_instance(var):
        doomed = targets(settings)
        for home in (var, *doomed):
            if Supervisor(Place(root=PROJECT_ROOT, var=home)).runs:
                raise NotReady(f"the stack in {home} runs; stop it first, with make stack-down")
        for path in doomed:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def targets(settings: Settings) -> list[Path]:
    """Return the files and folders to delete, sorted.

    They are the content of `var` and of the artifact folder, and databases elsewhere. A path in
    the URL of a server is not a path on this disk.
    """
    store = settings.store
    folders = [var_folder(settings), *_on_disk("file", store.artifacts)]
    found = {
        child
        for folder in folders
        if folder.is_dir()
        for child in folder.iterdir()
        if child.name not in KEPT
    }
    databases = _on_disk("sqlite", store.events, store.histories, store.ledger)
    files = (
        database.with_name(database.name + ending)
        for database in databases
        for ending in DATABASE_FILES
    )
    return sorted(found | {file for file in files if file.exists()})


def kept_on_servers(settings: Settings) -> list[str]:
    """Return the URLs, without passwords, of stores on servers, which keep their data.

    The servers of a stack keep theirs in the stack's folder, which is deleted.
    """
    store = settings.store
    if (var_folder(settings) / PORTS_FILE).exists():
        return []
    urls = (store.events, store.histories, store.artifacts, store.ledger)
    return sorted({hide_password(url) for url in urls if not url.startswith(("file:", "sqlite:"))})


def _on_disk(scheme: str, *urls: str) -> list[Path]:
    return [files.parse(url).path for url in urls if url.startswith(f"{scheme}:")]


def _ask() -> str:
    try:
        return input("Type yes to go on: ")
    except (EOFError, KeyboardInterrupt):
        print()
        return "no"


def main(arguments: list[str]) -> int:
    """Ask, then delete; return 0 when done or nothing to do, 1 when refused."""
    keep_private()
    parser = argparse.ArgumentParser(
        prog="make reset", description="Delete events, journal, releases and logs of this machine."
    )
    parser.add_argument("--confirm", help="yes: do not ask")
    confirmed = parser.parse_args(arguments).confirm
    try:
        settings = load_settings(None, os.environ).settings
        doomed = targets(settings)
        if not doomed:
            print("There is nothing to delete.")
            return 0
        print("To be deleted for good:", *(f"  {path}" for path in doomed), sep="\n")
        if on_servers := kept_on_servers(settings):
            print(
                "Kept, since it is not on this disk:", *(f"  {url}" for url in on_servers), sep="\n"
            )
        if confirmed is None:
            confirmed = _ask() if sys.stdin.isatty() else "no"
        if confirmed != "yes":
            print(
                "Nothing was deleted; to delete without a question: make reset CONFIRM=yes",
                file=sys.stderr,
            )
            return 1
        reset(settings)
    except (FreshetError, OSError) as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
