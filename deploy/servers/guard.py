"""Stand in for Python on a TorchServe node: verify the unpacked archive's signature, then become Python.

TorchServe starts a worker as `PYTHON .../model_service_worker.py ...` in the folder where the
archive is unpacked. This program is that PYTHON where signatures are required. It runs from the
node's own installation: a check inside the archive would be exchanged with it.

    python -I deploy/servers/guard.py TRUSTED_KEYS REAL_PYTHON ARGUMENT...
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_REFUSED = 3  # exit status; TorchServe's log has the sentence
# TorchServe starts a worker that ended again and again for five minutes. Whoever waits for the
# version sees that its processes die, and gives up at the second, when each has been there for a
# while.
_SEEN_S = 2.0


def main(argv: list[str]) -> None:
    """Verify the working folder and replace this process by the worker; exit with a sentence when it must not run."""
    trusted_file, python, *arguments = argv
    os.umask(0o077)
    sys.path.insert(
        0, str(Path(__file__).resolve().parents[2])
    )  # isolated: neither the working folder nor PYTHONPATH is searched
    from trainer.signature import NotTrusted, verify_folder

    try:
        verify_folder(Path.cwd(), _trusted(Path(trusted_file)))
    except NotTrusted as error:
        sys.stderr.write(f"archive refused: {error}\n")
        sys.stdout.write(f"[PID]{os.getpid()}\n")  # as TorchServe's worker reports its process
        sys.stdout.flush()
        time.sleep(_SEEN_S)
        sys.exit(_REFUSED)
    # A .pyc that Python left beside its source would be a file that nobody signed, at the next
    # start of this worker.
    os.execve(python, [python, *arguments], {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def _trusted(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    main(sys.argv[1:])
