"""Texts about items as editors see them, and the answers to what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Optional


@dataclass(frozen=True)
class CopyObjection:
    """A rule of the verifier, and the words that break it."""

    rule: str
    words: str


@dataclass(frozen=True)
class RejectedCopy:
    """A text of a writer that is not shown, and why."""

    text: str
    objections: tuple[CopyObjection, ...]


@dataclass(frozen=True)
class CopyText:
    """What is shown for a brief, who wrote it, and what was rejected before it."""

    digest: str
    kind: str
    language: str
    titles: tuple[str, ...]
    text: str
    source: str
    action: Optional[str]
    decided_by: Optional[str]
    at: Optional[datetime]
    rejected: tuple[RejectedCopy, ...]
    placement: Optional[str] = None


@dataclass(frozen=True)
class CopyTextList:
    """Texts, the newest first."""

    texts: tuple[CopyText, ...]


@dataclass(frozen=True)
class DecidedCopy:
    """What is shown now, and what the verifier objects to in an editor's text."""

    shown: CopyText
    objections: tuple[CopyObjection, ...]
