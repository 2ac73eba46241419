"""Peers that need an environment of their own: RecTools 0.19 with its SASRec and HSTU, made at the first use in var/bench/rectools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

from bench.sets import RatingsSet
from bench.snapshots import Flags
from cron.wiring import PROJECT_ROOT

REQUIREMENT = "rectools[torch]==0.19.0"
ENVIRONMENT = PROJECT_ROOT / "var" / "bench" / "rectools"
SCRIPT = Path(__file__).with_name("rectools_peer.py")
# Width, blocks and history as ours; the loss is the strong one of RecTools' own tutorials; epochs as their validation there stops at.
PARAMETERS: dict[str, dict[str, object]] = {
    "ml-100k": {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "session_max_len": 200, "loss": "softmax", "epochs": 40, "batch_size": 64},
    "ml-1m": {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "session_max_len": 200, "loss": "softmax", "epochs": 20, "batch_size": 128},
    "beauty": {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "session_max_len": 50, "loss": "softmax", "epochs": 20, "batch_size": 128},
}


def top_ten(model: str, data: RatingsSet, *, train_E: Flags, history_E: Flags, folder: Path) -> tuple[list[list[int]], float]:
    """Return each user's ten items, best first, and the seconds of fitting."""
    _make_environment()
    rows = pd.DataFrame({"user": data.users_E, "item": data.items_E, "at": data.at_s_E, "train": train_E.astype(int)})[history_E]
    rows.to_csv(folder / "interactions.csv", index=False)
    (folder / "parameters.json").write_text(json.dumps(PARAMETERS[data.name]))
    out = folder / "tops.json"
    command = [ENVIRONMENT / "bin" / "python", SCRIPT, model, folder / "parameters.json", folder / "interactions.csv", out]
    subprocess.run([str(part) for part in command], cwd=folder, check=True)
    found = json.loads(out.read_text())
    return [found["tops"].get(str(user), []) for user in range(data.num_users)], float(found["seconds"])


def _make_environment() -> None:
    stamp = ENVIRONMENT / "complete"
    if stamp.exists():
        return
    print(f"making {ENVIRONMENT} with {REQUIREMENT}: some minutes and 5 GB the first time", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
    subprocess.run([str(ENVIRONMENT / "bin" / "pip"), "install", "-q", REQUIREMENT], check=True)
    stamp.touch()
