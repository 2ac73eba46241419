"""Have TorchServe start its workers through `deploy.servers.guard`, which lets only signed archives run.

Knows how TorchServe finds its Python; does not know what a signature is.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cron.cycle.signing_key import trusted_keys as trusted_by
from cron.settings.places import var_folder
from cron.settings.tree import Settings

_GUARD = Path(__file__).with_name("guard.py")
# An archive's own configuration may ask for torchrun, which would start workers past the guard.
_NO_TORCHRUN = """#!/bin/sh
echo 'archive refused: it asks for torchrun, and archives of Freshet do not' >&2
echo "[PID]$$"  # as deploy/servers/guard.py does, and why
sleep 2
exit 3
"""


def guarded(
    java: Sequence[str], env: Mapping[str, str], *, home: Path, trusted_keys: Path
) -> tuple[list[str], dict[str, str]]:
    """Return TorchServe's command and environment with the guard in place of Python; its programs are written under `home`."""
    folder = (home / "guarded").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    words = [
        sys.executable,
        "-I",
        str(_GUARD.resolve()),
        str(trusted_keys.resolve()),
        sys.executable,
    ]
    guard = f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
    python = _program(folder / "python", guard)
    _program(
        folder / "python3", guard
    )  # an archive's manifest may ask for this runtime, which TorchServe looks for on the PATH
    _program(folder / "torchrun", _NO_TORCHRUN)
    command = list(java)
    command[command.index("--python") + 1] = str(python)
    return command, {**env, "PATH": os.pathsep.join([str(folder), env.get("PATH", os.defpath)])}


def signature_options(settings: Settings) -> list[str]:
    """Return the option by which a node runs only archives that our worker signed; nothing where that is not required."""
    return (
        ["--trusted-keys", str(trusted_by(var_folder(settings)))]
        if settings.release.require_signatures
        else []
    )


def _program(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(stat.S_IRWXU)
    return file
