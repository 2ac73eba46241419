"""The messages of errors that come back through Ray. Works without Ray."""

from __future__ import annotations

# Marks a rank's error about its input, which reaches us inside Ray's own errors.
UNFIT = "the trainer can't use its input: "
IN_VAIN = "twice, without a new checkpoint between"  # in the error that ends restarts


_DETAILS = "details = "  # the line of an error of gRPC that says what happened; the last one is >


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, or gRPC's details; its type without one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    details = [
        line.removeprefix(_DETAILS).strip('"') for line in lines if line.startswith(_DETAILS)
    ]
    return [type(error).__name__, *lines, *details][-1]
