"""The names of models and protocols in rows of results, for benches and tables."""

from __future__ import annotations

FRESHET = "Freshet"
SKETCH = "the first sketch"

LEAVE_ONE_OUT = "leave-one-out"
RATINGS = "global time 80/20"
STREAM = "prequential"
TRAINING = "training to the tuning event"
DEVICES = "training on a device"
LAUNCHERS = "training by launcher"

# New items: the models,
TEXT_ALONE = "Freshet, text alone"
RANDOM = "random"
NEIGHBOURS = "popularity among neighbours by text"
SIMILAR = "cosine of texts with the history"
COLD_BASELINES = (NEIGHBOURS, SIMILAR, SKETCH, RANDOM)
# and the rankings, each of which asks for some items among others.
NEW_AMONG_ALL = "new items among all"
NEW_AMONG_NEW = "new items among new ones"
ANY_AMONG_ALL = "any item among all"
KNOWN_AMONG_ALL = "known items among all"
KNOWN_AMONG_KNOWN = "known items among known ones"
COLD_RANKINGS = (NEW_AMONG_ALL, NEW_AMONG_NEW, ANY_AMONG_ALL, KNOWN_AMONG_ALL, KNOWN_AMONG_KNOWN)
