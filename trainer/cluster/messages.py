"""The messages of errors that come back through Ray. Works without Ray."""

from __future__ import annotations

# Marks a rank's error about its input, which reaches us inside Ray's own errors.
UNFIT = "the trainer can't use its input: "
IN_VAIN = "twice, without a new checkpoint between"  # in the error that ends restarts


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message; its type without one."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
