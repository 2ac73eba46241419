"""The file of a training's configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cron.project_root import PROJECT_ROOT
from trainer.config import TrainConfig, load_config

WRITE = """
import sys
from pathlib import Path
from trainer.config import TrainConfig, dump_config
dump_config(TrainConfig(positive_types=("achète",)), Path(sys.argv[1]))
"""


def test_words_of_any_language_survive_an_ascii_locale(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    script = tmp_path / "write.py"
    script.write_text(WRITE, encoding="utf-8")
    subprocess.run(
        [sys.executable, str(script), str(file)],
        env={**os.environ, **ascii_only, "PYTHONPATH": str(PROJECT_ROOT)},
        check=True,
    )
    assert load_config(file) == TrainConfig(positive_types=("achète",))
