"""The example of the guide to evaluation prints what the guide says."""

from __future__ import annotations

import contextlib
import io
import re

from cron.evaluation.evaluate import ESTIMATORS
from cron.project_root import PROJECT_ROOT

GUIDE = PROJECT_ROOT / "docs" / "evaluation.md"


def test_the_example_prints_what_the_guide_shows() -> None:
    code, shown = re.findall(r"```(?:python)?\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


def test_every_estimator_is_in_the_guide() -> None:
    assert [name for name in ESTIMATORS if f"`{name}`" not in GUIDE.read_text()] == []
