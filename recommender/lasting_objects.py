"""Objects that last, kept out of garbage collections, for which answers would wait.

A full collection visits every object that may hold others: a tenth of a second after transformers
was imported, and again every few seconds while lists are answered.
"""

from __future__ import annotations

import gc
import sys


class LastingObjects:
    """Remembers what was imported, since imports make nearly all objects that last."""

    def __init__(self) -> None:
        self._num_modules = 0

    def keep(self) -> None:
        """Keep out what lives now, unless nothing was imported since the last call."""
        if len(sys.modules) == self._num_modules:
            return
        gc.collect()
        gc.freeze()
        self._num_modules = len(sys.modules)
