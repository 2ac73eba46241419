"""Verify the signature of the unpacked archive, then become Python.

TorchServe starts a worker as `PYTHON .../model_service_worker.py ...` in the folder where the
archive is unpacked. Where signatures are required, PYTHON is this program. It runs from the node's
own installation: a check inside the archive could be exchanged together with it.

    python -I deploy/servers/torchserve/guard.py TRUSTED_KEYS REAL_PYTHON ARGUMENT...
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_REFUSED = 3  # exit status; TorchServe's log has the sentence
# TorchServe restarts a worker that ended for five minutes. Who waits for the version sees its
# processes die and gives up at the second one, if each was there for a while.
_SEEN_S = 2.0


def main(argv: list[str]) -> None:
    """Verify the working folder and become the worker; exit with a sentence if it must not run."""
    trusted_file, python, *arguments = argv
    os.umask(0o077)
    # Isolated Python searches neither the working folder nor PYTHONPATH.
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from trainer.signature import NotTrusted, verify_folder

    try:
        verify_folder(Path.cwd(), _trusted_keys(Path(trusted_file)))
    except NotTrusted as error:
        sys.stderr.write(f"archive refused: {error}\n")
        sys.stdout.write(f"[PID]{os.getpid()}\n")  # as TorchServe's worker reports its process
        sys.stdout.flush()
        time.sleep(_SEEN_S)
        sys.exit(_REFUSED)
    # A .pyc that Python writes next to its source would be an unsigned file at the next start.
    os.execve(python, [python, *arguments], {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def _trusted_keys(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    main(sys.argv[1:])
