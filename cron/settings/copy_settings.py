"""The settings of texts about items (`[copy]`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from copywriter.brief import Language, Tone
from cron.settings.rules import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySettings:
    """How texts about items are written."""

    language: Language = "en"  # where neither the call nor its Accept-Language names one
    tone: Tone = "plain"
    # two lines of a card; the shortest templates have 20
    max_chars: Annotated[int, Bounds(20, 500, "a number of characters from 20 to 500")] = 120
