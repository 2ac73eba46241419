"""What every test shares: quiet libraries, one thread, and where the real data lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cron.ledger import lease_row
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease
from cron.project_root import PROJECT_ROOT
from deploy.machine.demo import demo_data
from tests.contracts.ledgers import NOW
from tests.servers import Servers
from trainer.machine.file_lock import file_lock

KINDS = ("unit", "contracts", "component", "system", "services", "browser", "architecture")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --services."""
    parser.addoption(
        "--services",
        action="store_true",
        help="run the contract suites on the real servers instead of the embedded back ends",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set what the libraries read when they are first imported, here and in child processes."""
    # no test asserts on time
    settings.register_profile(
        "freshet", deadline=None, suppress_health_check=(HealthCheck.too_slow,)
    )
    settings.load_profile("freshet")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several suites may share the cores
    for name in [
        name for name in os.environ if name.startswith("FRESHET_") and name != "FRESHET_DATA"
    ]:
        del os.environ[name]  # a developer's own settings are not the tests'
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind}: stored in tests/{kind}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its folder; with --services, leave out contracts that use no server."""
    for item in items:
        kind = item.path.relative_to(PROJECT_ROOT / "tests").parts[0]
        if kind in KINDS:
            item.add_marker(kind)
    if config.getoption("--services"):
        embedded = [item for item in items if _is_embedded(item)]
        config.hook.pytest_deselected(items=embedded)
        items[:] = [item for item in items if not _is_embedded(item)]


def _is_embedded(item: pytest.Item) -> bool:
    """Return whether it is a contract that `make test` runs in just the same way."""
    used = getattr(item, "fixturenames", ())
    return item.get_closest_marker("contracts") is not None and not {"back_end", "servers"} & {
        *used
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a contract suite on each of its module's back ends; --services selects real servers."""
    if "back_end" in metafunc.fixturenames:
        names = (
            metafunc.module.ON_SERVERS
            if metafunc.config.getoption("--services")
            else metafunc.module.EMBEDDED
        )
        metafunc.parametrize("back_end", sorted(names))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Real servers, each started when a test first asks for it."""
    started = Servers(tmp_path_factory.mktemp("servers"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an untrained bundle with a tiny encoder; tests pack it and do not change it."""
    from tests.planted import planted_bundle  # torch is imported after pytest_configure

    folder = tmp_path_factory.mktemp("bundles") / "planted"
    planted_bundle(folder, tower="lstm", encoder="tiny")
    return folder


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Open the ledger at the URL that the suite's `url` fixture returns."""
    ledger = open_ledger(url)
    yield ledger
    ledger.close()


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    lease = lease_row.acquire(ledger, "one", 30, NOW)
    assert lease is not None
    return lease


@pytest.fixture(scope="session")
def movielens_100k() -> Path:
    """Return a folder with MovieLens 100K: from FRESHET_DATA, or fetched once into var/."""
    var = PROJECT_ROOT / "var"
    with file_lock(var / "demo.lock"):  # one of the processes of pytest fetches, the others wait
        return demo_data(var, os.environ)
