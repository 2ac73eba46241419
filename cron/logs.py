"""One line a record: time, level, module, message, then the record's own fields. To standard error; who keeps it is the supervisor's."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}  # the last is uvicorn's
# a line a request; a line a tick, and one for each tick of a job that takes longer: what of that
# matters the worker tells
_CHATTY = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "apscheduler": logging.ERROR,
}


class LineFormatter(logging.Formatter):
    """Renders the fields of `extra` as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = "".join(
            f" {name}={json.dumps(value, default=str)}"
            for name, value in record.__dict__.items()
            if name not in _OWN
        )
        line = f"{at} {record.levelname} {record.name}: {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up_logs() -> None:
    """Send the program's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name, level in _CHATTY.items():
        logging.getLogger(name).setLevel(level)
