"""What the README tells a reader to type does what it says.

Quick commands run here and must print what the README shows; the long story is run by
`tests/system/test_serve.py`, which names what it covers. A command in neither list fails.
"""

from __future__ import annotations

import shlex
import subprocess

from cron.project_root import PROJECT_ROOT
from tests.architecture.documents import blocks, commands

README = PROJECT_ROOT / "README.md"

RUN_HERE = ("make",)

# By tests/system/test_serve.py, with the ports of a test in place of the README's; curl commands
# are all run there.
COVERED_BY_SYSTEM_TEST = (
    "make serve",
    "make replay",
    "make status",
    "make rollback",
    "make rollback VERSION=1",
    ".venv/bin/python -m cron resume",
    ".venv/bin/python -m cron runs",
    ".venv/bin/python -m cron releases",
    ".venv/bin/python -m cron promote 2",
    '.venv/bin/python -m cron ingest "$(.venv/bin/python -m deploy.machine.demo_graph)"',
)
# By the service tests, tests/services/test_stack.py.
COVERED_BY_STACK_TEST = (
    "make stack",
    "set -a; . var/stack/secrets.env; set +a",
    ".venv/bin/python -m cron config --check",
    ".venv/bin/python -m deploy.stack.shop --genre Horror",
    "make stack-down",
)
# By tests/browser/test_readme_page.py, with the page below it.
COVERED_BY_BROWSER_TEST = (
    ".venv/bin/python -m cron keys add --name web --role browser --origin http://127.0.0.1:8001",
    ".venv/bin/python -m cron keys add --name back-end --role read --role write",
    ".venv/bin/python -m cron keys add --name me --role read --role operate",
)
# By .ci/run, on a clean clone.
COVERED_BY_CI = ("make check", "make test")


def test_every_command_is_run_somewhere() -> None:
    known = {
        *RUN_HERE,
        *COVERED_BY_SYSTEM_TEST,
        *COVERED_BY_STACK_TEST,
        *COVERED_BY_BROWSER_TEST,
        *COVERED_BY_CI,
    }
    unknown = [
        command
        for command in commands(README)
        if command not in known and not _is_checked_curl(command)
    ]
    assert not unknown, f"no test runs these commands of the README: {unknown}"


def test_the_readme_shows_the_two_commands() -> None:
    assert {"make serve", "make test"} <= set(commands(README))


def test_make_lists_what_the_readme_lists() -> None:
    (shown,) = [block for block in blocks(README, "console") if block.startswith("$ make\n")]
    printed = subprocess.run(
        ["make"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=_plain_environment(),
    ).stdout
    assert shown.removeprefix("$ make\n").rstrip() == printed.rstrip()


def test_ci_runs_what_it_is_said_to_cover() -> None:
    text = (PROJECT_ROOT / ".ci" / "run").read_text()
    for command in COVERED_BY_CI:
        assert command in text


def _is_checked_curl(command: str) -> bool:
    return shlex.split(command)[0] == "curl"


def _plain_environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}  # no MAKEFLAGS of a surrounding make
