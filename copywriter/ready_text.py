"""A text that may be shown, and who wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CopySource = Literal["writer", "template", "editor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyText:
    """A text for a brief: by a language model, by a template, or by an editor."""

    text: str
    source: CopySource
