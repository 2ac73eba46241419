"""supervisord with logs that never harm a program: `python -m deploy.machine.supervisord -c CONFIG`.

supervisord's own log handlers report a failed write on standard error, which often is on the same
full disk, and then end with it; a rotation that fails closes the channel of a program, which blocks
at its next line. Here a line that cannot be written is dropped, and writing goes on by itself when
there is room again. A log that was moved away, by logrotate for example, is started again.

Does not know which programs run, nor where their logs are.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from supervisor import loggers, supervisord

from cron.settings.private_files import keep_private


class PatientLog(loggers.RotatingFileHandler):  # type: ignore[misc] # supervisor has no types
    """A rotating log that loses lines rather than raise.

    It inherits because supervisord chooses the class of its handlers by name, with this interface.
    """

    stream: IO[bytes]

    def emit(self, record: loggers.LogRecord) -> None:
        """Write a record, in a new file where the old one was moved; drop it when it can't be."""
        try:
            if not self._in_place():
                self._reopen()
            super().emit(record)
        except (
            OSError,
            ValueError,
        ):  # ValueError: a rotation closed the file and failed to open one
            with suppress(OSError):
                self._reopen()

    def handleError(self) -> None:
        """Drop the record: there is no better place to report that a log can't be written."""

    def _in_place(self) -> bool:
        try:
            there = Path(self.baseFilename).stat()
        except FileNotFoundError:
            return False
        own = os.fstat(self.stream.fileno())
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def _reopen(self) -> None:
        with suppress(OSError):  # the flush of what the full disk did not take
            self.stream.close()
        self.stream = Path(self.baseFilename).open("ab")  # noqa: SIM115 - it stays open


def main() -> None:
    """Run supervisord with these logs, on the arguments of the command line."""
    keep_private()
    loggers.RotatingFileHandler = PatientLog
    supervisord.main()


if __name__ == "__main__":
    main()
