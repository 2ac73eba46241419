"""The folder of the installation, at which relative paths in the settings start."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]
