"""What can go wrong with texts about items and their writers.

FreshetError
├── WriterRefused                a writer's server refused a prompt, or gave no valid answer
├── WriterNotAccepted            the gate refused a writer
├── UnknownCopy                  no text of such a brief is known
└── UnknownWriter                there is no such writer, or none is live
"""

from __future__ import annotations

from cron.errors import FreshetError


class WriterRefused(FreshetError):
    """A writer's server refused a prompt; asking again with the same settings would not help."""

    def __init__(self, where: str, *, why: str) -> None:
        super().__init__(f"the writer at {where} gave no text: {why}; see [copy] in the settings")


class WriterNotAccepted(FreshetError):
    """The gate refused a writer, so the live one stays."""

    def __init__(self, name: str, *, why: str) -> None:
        super().__init__(f"the writer {name} was not made live: {why}")


class UnknownCopy(FreshetError):
    """No text of such a brief is known."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"no text of a brief {digest!r} is known; `python -m cron copy list` shows them"
        )


class UnknownWriter(FreshetError):
    """There is no such writer, or none is live."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"there is no writer {wanted} of texts; `python -m cron copy writers` shows all"
        )
