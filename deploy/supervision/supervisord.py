"""supervisord with logs that never stop a program.

    python -m deploy.supervision.supervisord -c FILE

supervisord's own log handlers report a failed write on standard error, which is often on the same
full disk, and then supervisord ends. A rotation that fails closes the log of a program, which
blocks at its next line. Here a line that can't be written is dropped, and writing continues when
there is space again. A log that was moved away, for example by logrotate, is started again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from supervisor import loggers, supervisord

from cron.settings.private_files import keep_private


class PatientLog(loggers.RotatingFileHandler):  # type: ignore[misc] # supervisor has no types
    """A rotating log that drops a line instead of raising an error.

    It inherits because supervisord chooses the class of its handlers by name, with this interface.
    """

    stream: IO[bytes]

    def emit(self, record: loggers.LogRecord) -> None:
        """Write a record, into a new file if the old one was moved; drop it if that fails."""
        try:
            if not self._is_in_place():
                self._reopen()
            super().emit(record)
        except (OSError, ValueError):  # ValueError: a rotation closed the file, and opened none
            with suppress(OSError):
                self._reopen()

    def handleError(self) -> None:
        """Drop the record: there is no better place to report that a log can't be written."""

    def _is_in_place(self) -> bool:
        try:
            there = Path(self.baseFilename).stat()
        except FileNotFoundError:
            return False
        own = os.fstat(self.stream.fileno())
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def _reopen(self) -> None:
        with suppress(OSError):  # closing flushes what the full disk did not take
            self.stream.close()
        self.stream = Path(self.baseFilename).open("ab")  # noqa: SIM115 - it stays open


def main() -> None:
    """Run supervisord with these logs and the arguments of the command line."""
    keep_private()
    loggers.RotatingFileHandler = PatientLog
    supervisord.main()


if __name__ == "__main__":
    main()
