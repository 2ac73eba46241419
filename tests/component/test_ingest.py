"""What `ingest` prints and keeps of files that are not as they should be."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from cron.__main__ import main
from cron.config import Settings
from tests.component.gateway_process import settings_in

SECONDS = 1472688000
TABLE = ["--user", "u", "--item", "i", "--at", "t"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings in a folder, in force for the command line."""
    settings = settings_in(tmp_path, inference_port=9)
    for name in ("events", "var"):
        monkeypatch.setenv(f"FRESHET__STORE__{name.upper()}", getattr(settings.store, name))
    return settings


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_name_that_is_no_text_is_printed_all_the_same(
    more: list[str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.csv")
    file.write_text(f"u,i,t\n1,2,{SECONDS}\n")
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "utf-8", "strict", write_through=True))
    assert main(["ingest", str(file), *TABLE, "--dry-run", *more]) == 0
    said = printed.getvalue().decode()
    assert "caf\\udce9.csv" in said
    if more:
        assert json.loads(said)["format"] == f"table ({file.name})"
