"""Have TorchServe start its workers through the guard, which runs signed archives only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cron.cycle.signing_key import trusted_keys as trusted_by
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from deploy.servers.torchserve.programs import (
    in_place_of_python,
    python_of,
    with_python,
    write_program,
)

_GUARD = Path(__file__).with_name("guard.py")
# An archive's own configuration may ask for torchrun, which would start workers past the guard.
_NO_TORCHRUN = """#!/bin/sh
echo 'archive refused: it asks for torchrun, which archives of Freshet never do' >&2
echo "[PID]$$"  # as guard.py does, for the same reason
sleep 2
exit 3
"""


def with_guard(
    java: Sequence[str], env: Mapping[str, str], *, home: Path, trusted_keys: Path
) -> tuple[list[str], dict[str, str]]:
    """Return TorchServe's command and environment with the guard in place of Python.

    The guard's programs are written under `home`.
    """
    folder = (home / "guarded").resolve()
    words = [sys.executable, "-I", str(_GUARD.resolve()), str(trusted_keys.resolve())]
    guard = in_place_of_python([*words, python_of(java)])
    python = write_program(folder / "python", guard)
    # An archive's manifest may ask for this runtime, which TorchServe looks for on the PATH.
    write_program(folder / "python3", guard)
    write_program(folder / "torchrun", _NO_TORCHRUN)
    path = os.pathsep.join([str(folder), env.get("PATH", os.defpath)])
    return with_python(java, python), {**env, "PATH": path}


def signature_options(settings: Settings) -> list[str]:
    """Return the option by which a node runs only archives that our worker signed, if required."""
    if not settings.release.require_signatures:
        return []
    return ["--trusted-keys", str(trusted_by(var_folder(settings)))]
