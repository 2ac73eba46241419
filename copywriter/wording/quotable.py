"""Whether a name from a catalogue may stand in a text as it is."""

from __future__ import annotations

import re
from functools import lru_cache

from copywriter.wording.forbidden import instruction_in, unsafe_part_of

MAX_CHARS = 160
QUOTES = '“”"«»《》〈〉「」『』‘„‟'
_NOT_IN_NAMES = re.compile(rf"[{QUOTES}…]|\s\s|^\W+$|^\s|\s$")


@lru_cache(maxsize=8192)
def is_quotable(name: str) -> bool:
    """Return whether a title or value can be quoted: short, one line, and only a name."""
    if not name or len(name) > MAX_CHARS or _NOT_IN_NAMES.search(name) is not None:
        return False
    return instruction_in(name) is None and unsafe_part_of(name) is None
