"""The Python programs of the README and of the client's page run as they are written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from cron.project_root import PROJECT_ROOT
from recommender.records.events import Event, Item
from tests.architecture.documents import blocks
from tests.component.gateway_process import RunningGateway

CLIENT = PROJECT_ROOT / "clients" / "python"
WRITTEN_URL = "http://127.0.0.1:8000"
BUILD = "import setuptools.build_meta as build; print(build.build_wheel('.'))"


def run_program(text: str, url: str) -> dict[str, Any]:
    """Run a program as a module with another gateway, and return its names."""
    assert WRITTEN_URL in text
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(text.replace(WRITTEN_URL, url), "program", "exec"), names)
    return names


def test_the_back_end_of_the_readme_shows_rows_and_sends_views(running: RunningGateway) -> None:
    (text,) = blocks(PROJECT_ROOT / "README.md", "python")
    assert len(text.splitlines()) <= 40
    names = run_program(text, str(running.client.base_url))
    transport = httpx.WSGITransport(app=names["shop"])
    with names["freshet"], httpx.Client(transport=transport, base_url="http://shop") as visitor:
        link = re.search('href="([^"]*item=7[^"]*)">Film 7</a>', visitor.get("/").text)
        assert link
        page = visitor.get(link[1]).text
        assert "<h1>For you</h1>" in page
        assert "<h2>Similar</h2>" in page
        names["events"].flush()
        (event,) = names["freshet"].history(visitor.cookies["visitor"])
        assert (event.item_id, event.type) == ("7", "view")
        (stored,) = running.log_records()
        assert isinstance(stored, Event)
        assert stored.details is not None
        assert f"list={stored.details.recommendation_id}" in link[1]


@pytest.mark.parametrize("index", [0, 1])
def test_a_program_of_the_clients_page_runs(running: RunningGateway, index: int) -> None:
    text = blocks(CLIENT / "README.md", "python")[index]
    run_program(text, str(running.client.base_url))
    stored = [one for one in running.log_records() if isinstance(one, Event | Item)]
    assert stored[-1].item_id == "river"


def test_the_wheel_of_the_client_has_its_files_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(CLIENT, tmp_path / "client")
    built = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = CLIENT / "freshet_client"
    assert names == {f"freshet_client/{file.name}" for file in package.iterdir() if file.is_file()}
