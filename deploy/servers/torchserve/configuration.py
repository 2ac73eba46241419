"""TorchServe's configuration files: its properties, and which metrics it shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.servers.java_properties import escape_value
from trainer.machine.durable_files import replace_text

# What handler/recommend.py reports: kind, name, unit, labels.
HANDLER_METRICS = (
    ("counter", "freshet_answers", "Count", ("model_name", "status")),
    ("counter", "freshet_empty_answers", "Count", ("model_name",)),
    ("histogram", "freshet_batch_seconds", "Seconds", ("model_name",)),
)
# TorchServe never drops a series, so a label that changes with each release makes its page grow
# forever. The gateway counts by version.
_LABELS_OF_A_RELEASE = {"model_version", "WorkerName"}
_TEMPLATE = Path(__file__).resolve().parents[2] / "torchserve.properties"


def write_properties(
    home: Path, values: Mapping[str, object], *, tokens: bool, archives: str | None
) -> Path:
    """Fill in the template and write it into `home`; return the file."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    without_tokens = {"without_tokens": str(not tokens).lower()}
    allowed = {"allowed_urls": "^$" if archives is None else allowed_urls(archives)}
    for name, value in {**values, **without_tokens, **allowed}.items():
        text = text.replace(f"{{{name}}}", escape_value(value))
    config = home / "config.properties"
    replace_text(config, text)
    return config


def allowed_urls(archives: str) -> str:
    """Return the pattern, for a whole URL, of the archives directly below a URL.

    It has no comma, which would end it, and no backslash.
    """
    below = ""
    for letter in archives:
        below += letter if letter.isalnum() or letter in "/:-_~%@" else f"[{letter}]"
    return f"{below}[^/?#%]+[.]mar([?].*)?"


def write_metrics(home: Path, package: Path) -> Path:
    """Write which metrics TorchServe shows; return the file.

    They are the handler's, and TorchServe's own without those that get a new series per release.
    """
    import yaml

    metrics = yaml.safe_load((package / "configs" / "metrics.yaml").read_text(encoding="utf-8"))
    for kind, known in metrics["ts_metrics"].items():
        metrics["ts_metrics"][kind] = [
            one for one in known if not _LABELS_OF_A_RELEASE.intersection(one["dimensions"])
        ]
    for kind, name, unit, labels in HANDLER_METRICS:
        metrics["model_metrics"].setdefault(kind, []).append(
            {"name": name, "unit": unit, "dimensions": list(labels)}
        )
    path = home / "metrics.yaml"
    replace_text(path, yaml.safe_dump(metrics))
    return path
