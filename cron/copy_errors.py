"""What can go wrong with texts about items and their writers.

FreshetError
├── WriterRefused                a writer's server refused a prompt, or gave no valid answer
├── WriterNotAccepted            the gate refused a writer
├── WriterNotTuned               a writer's model could not be tuned
├── NoAcceptedTexts              no text was found that a writer could be tuned on
├── UnknownCopy                  no text of such a brief is known
├── NothingToPin                 the live writer has no text of a brief
├── NotEdited                    no editor has decided on a brief
└── NoLiveWriter                 no writer is live
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


class WriterNotTuned(FreshetError):
    """A writer's model could not be tuned; the process that tried has printed why."""

    def __init__(self, model: str) -> None:
        super().__init__(f"the model {model} was not tuned; the line above says why")


class NoAcceptedTexts(FreshetError):
    """No text was found that a writer could be tuned on, or its file is not readable."""


class UnknownCopy(FreshetError):
    """No text of such a brief is known."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"no text of a brief {digest!r} is known; `python -m cron copy list` shows the briefs"
        )


class NothingToPin(FreshetError):
    """The live writer has no text of a brief, so there is nothing to keep."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"the live writer has no text of brief {digest!r}, and its template is shown; set a "
            "text of your own with: python -m cron copy edit"
        )


class NotEdited(FreshetError):
    """No editor has decided on a brief, so there is nothing to undo."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"no editor has decided on brief {digest!r}; `python -m cron copy list --only edited` "
            "shows those that have been decided on"
        )


class NoLiveWriter(FreshetError):
    """No writer is live, so there is none to roll back."""

    def __init__(self) -> None:
        super().__init__(
            "no writer is live, and templates are shown; `python -m cron copy writers` lists "
            "the writers"
        )
