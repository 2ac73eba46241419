"""The packages: uv installs what the locks name; pip does where uv can't run.

The locks are constraints with hashes, not lists of what to install: the index that pip is
configured for may offer another build of torch (for the CPU alone), which needs fewer packages
than the locked one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.install.downloads import Downloads
from deploy.install.pip_settings import NOT_FOR_PIP, read_pip_settings, uv_environment
from deploy.install.requirements import (
    BASE,
    CLIENTS,
    CONSTRAINTS,
    LOCK_OF,
    SERVERS,
    TESTS,
    locks_of,
)

UV = "uv==0.13.9"
# The best version of all indexes, as pip takes it. uv's own default takes a package from the first
# index that has its name: an index for torch's CPU build also has old versions of numpy.
STRATEGY = ("--index-strategy", "unsafe-best-match")
LOCKED_FOR = ("--python-version", "3.11", "--python-platform", "linux")
NO_NETWORK = (
    "NewConnectionError",
    "Temporary failure in name resolution",
    "ConnectTimeoutError",
    "Network is unreachable",
    "Failed to establish",
    "ProxyError",
)
NO_SPACE = ("No space left on device", "[Errno 28]")
WRONG_HASH = ("Hash mismatch", "DO NOT MATCH THE HASHES")


class CannotInstall(Exception):
    """Why the packages could not be installed, in one sentence."""


class Tools:
    """pip and uv of one `.venv`, with the environment that each runs in."""

    def __init__(self, venv: Path, lock: "IO[str]") -> None:
        self._python = str(venv / "bin" / "python")
        self._lock = lock
        # Wheels are unpacked on the disk that was checked; /tmp may be small and in memory.
        self._scratch = venv / "tmp"
        self._scratch.mkdir(exist_ok=True)
        given = {name: value for name, value in os.environ.items() if name not in NOT_FOR_PIP}
        # Some machines' pip.conf has user = true, which pip refuses inside a virtual environment.
        self._environment = {"TMPDIR": str(self._scratch), **given, "PIP_USER": "0"}

    def pip(self, words: "list[str]", show: "Callable[[str], None]") -> "tuple[int, str]":
        """Run `pip install`; return its exit status and what it wrote to its standard error."""
        command = [self._python, "-m", "pip", "install", "--disable-pip-version-check"]
        return self._run(command + words, self._environment, show)

    def uv_environment(self) -> "dict[str, str]":
        """Return the environment for uv, with the settings that pip is configured with."""
        settings = read_pip_settings(self._python, self._environment)
        return uv_environment(settings, self._environment)

    def uv(
        self, words: "list[str]", environment: "Mapping[str, str]", show: "Callable[[str], None]"
    ) -> "tuple[int, str]":
        """Run `uv pip`; return its exit status and what it wrote to its standard error."""
        command = [self._python, "-m", "uv", "pip", *words, "--python", self._python]
        return self._run(command, environment, show)

    def clean_up(self) -> None:
        """Delete the temporary files."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _run(
        self, command: "list[str]", environment: "Mapping[str, str]", show: "Callable[[str], None]"
    ) -> "tuple[int, str]":
        lines = []
        # The command inherits the lock: it runs on for a while when we are killed, and until it
        # ends nobody else may write into this environment.
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=dict(environment),
            pass_fds=(self._lock.fileno(),),
        ) as process:
            for line in process.stderr or ():
                show(line)
                lines.append(line)
        return process.returncode, "".join(lines)


@contextmanager
def _tools(venv: Path, lock: "IO[str]") -> "Iterator[Tools]":
    tools = Tools(venv, lock)
    try:
        yield tools
    finally:
        tools.clean_up()


def install_packages(root: Path, venv: Path, files: "list[str]", lock: "IO[str]") -> None:
    """Install requirement files into `venv`; raise CannotInstall."""
    names = [word for name in files for word in ("-r", str(root / name))]
    locks = [root / name for name in locks_of(files) if (root / name).exists()]
    with _tools(venv, lock) as tools:
        if _add_uv(tools):
            # Without bytecode each process would compile torch again where none may be written.
            words = ["install", "--compile-bytecode", *STRATEGY, *names]
            words += [word for file in locks for word in ("-c", str(file))]
            status, errors = tools.uv(words, tools.uv_environment(), Downloads(sys.stdout).show)
            if not status:
                return
            # A file that is not the locked one must not be installed by pip, which takes any.
            if status < 0 or _has(errors, NO_SPACE + WRONG_HASH):
                raise CannotInstall(explain("uv", status, errors))
            print("uv failed; installing with pip, which takes longer", flush=True)
        status, errors = tools.pip(names, _pass_on)
        if status:
            raise CannotInstall(explain("pip", status, errors))


def write_locks(root: Path, venv: Path, lock: "IO[str]") -> None:
    """Write the locks from the requirement files; keep each locked version that still fits."""
    base, tests, stack = LOCK_OF[BASE], LOCK_OF[TESTS], LOCK_OF[SERVERS]
    with _tools(venv, lock) as tools:
        if not _add_uv(tools):
            raise CannotInstall("Only uv can write the locks; run it again where uv is available.")
        environment = tools.uv_environment()
        # Locks are for the default index alone: another index's build of torch is not everywhere.
        for name in ("UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
            environment.pop(name, None)
        for inputs, constraints, output in (
            ([BASE], [CONSTRAINTS], base),
            ([TESTS], [base], tests),
            ([SERVERS, CLIENTS], [base, tests], stack),
        ):
            # Relative names, since the lock's comments repeat them.
            words = ["compile", "--quiet", "--directory", str(root), "--generate-hashes"]
            words += [*LOCKED_FOR, "--custom-compile-command", "make lock", *inputs]
            words += [word for name in constraints for word in ("-c", name)]
            status, errors = tools.uv([*words, "-o", output], environment, _pass_on)
            if status:
                raise CannotInstall(explain("uv", status, errors))
            print(f"{root / output}", flush=True)


def explain(program: str, status: int, errors: str) -> str:
    """Return one sentence on why pip or uv failed, from its exit status and standard error."""
    if _has(errors, NO_SPACE):
        return (
            f"{program} ran out of disk space: the reason above says where. "
            "Free some space and run it again."
        )
    if _has(errors, WRONG_HASH):
        return (
            f"{program} refused a file whose sha256 is not in the lock: its name is above. "
            "Ask who runs the package index; after a change of requirements: make lock."
        )
    if _has(errors, NO_NETWORK):
        return (
            f"{program} could not reach its package index; is there a network, or a proxy to set "
            "(HTTPS_PROXY)? Run it again when there is."
        )
    return (
        f"{program} ended with status {status}; the reason is above. "
        "Running it again starts from scratch."
    )


def _add_uv(tools: Tools) -> bool:
    """Install uv; return False, with a sentence, where its wheel is not available."""
    status, errors = tools.pip(["--quiet", "--only-binary=:all:", UV], lambda _: None)
    if not status:
        return True
    if status < 0 or _has(errors, NO_SPACE + NO_NETWORK):
        sys.stderr.write(errors)
        raise CannotInstall(explain("pip", status, errors))
    print(f"{UV} is not available; installing with pip, which takes longer", flush=True)
    return False


def _pass_on(line: str) -> None:
    sys.stderr.write(line)


def _has(errors: str, signs: "tuple[str, ...]") -> bool:
    return any(sign in errors for sign in signs)
