"""What every test shares: quiet libraries, one thread, and where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cron.wiring import PROJECT_ROOT
from deploy.demo import demo_data

KINDS = ("unit", "contracts", "component", "system", "architecture")


def pytest_configure(config: pytest.Config) -> None:
    """Set what the libraries read when they are first imported, here and in child processes."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several suites may share the cores
    for name in [name for name in os.environ if name.startswith("FRESHET_") and name != "FRESHET_DATA"]:
        del os.environ[name]  # a developer's own settings are not the tests'
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind}: lies in tests/{kind}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder."""
    for item in items:
        kind = item.path.relative_to(PROJECT_ROOT / "tests").parts[0]
        if kind in KINDS:
            item.add_marker(kind)


@pytest.fixture(scope="session")
def movielens_100k() -> Path:
    """Return a folder with MovieLens 100K: FRESHET_DATA's, or the demo data, fetched once into the checkout's var/."""
    return demo_data(PROJECT_ROOT / "var", os.environ)
