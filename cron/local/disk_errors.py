"""Translates the operating system's errors about a disk into ours, with the path."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.errors import AccessRefused, CannotKeep, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM})


@contextmanager
def translate_os_errors(what: str, where: Path) -> Iterator[None]:
    """Turn an OSError into CannotKeep (no room), AccessRefused (no right) or Unavailable.

    `where` is used if the error names no path.
    """
    try:
        yield
    except OSError as error:
        path, why = str(error.filename or where), error.strerror or str(error)
        if error.errno in _FULL:
            raise CannotKeep(
                what, where=path, why=why, remedy="make room there; it is tried again"
            ) from error
        if error.errno in _REFUSED:
            raise AccessRefused(
                what, where=path, why=why, remedy="let this account read and write there"
            ) from error
        raise Unavailable(what, where=path, why=why) from error
