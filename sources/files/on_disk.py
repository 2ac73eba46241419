"""Where large temporary files belong."""

from __future__ import annotations

import os


def disk_folder() -> str | None:
    """Return where large temporary files belong; None means Python's default.

    `/tmp` is in memory on many machines, so `/var/tmp` is used unless TMPDIR names a folder.
    """
    folder = "/var/tmp"
    is_usable = "TMPDIR" not in os.environ and os.access(folder, os.W_OK | os.X_OK)
    return folder if is_usable else None
