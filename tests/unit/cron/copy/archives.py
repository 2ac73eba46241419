"""Archives of writers without a model, for the fake of TorchServe."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def write_archive(folder: Path, version: int) -> Path:
    """Write what TorchServe and its fake read of a version; there is no model in it."""
    manifest = {"model": {"modelVersion": str(version)}}
    mar = folder / f"copy-{version}.mar"
    with zipfile.ZipFile(mar, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.writestr("bundle/manifest.json", json.dumps({"files": {}}))
    return mar
