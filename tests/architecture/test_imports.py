"""Who imports whom, as docs/architecture.md says; new modules are checked too.

import-linter (pyproject.toml) holds the same borders against detours; here are the direct imports,
and what stays light.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

from cron.project_root import PROJECT_ROOT
from tests.architecture.sources import PACKAGES, display_path, python_files, syntax_tree

HEAVY = ("torch", "transformers", "pandas", "pyarrow", "sklearn", "scipy")

# The values that pass between the rooms.
VALUES = (
    "recommender.records.images",
    "recommender.records.pixels",
    "recommender.records.events",
    "recommender.records.event_lines",
    "recommender.records.excerpt",
    "recommender.records.facts",
    "recommender.records.ids",
    "recommender.records.event_details",
    "recommender.records.record_fields",
    "recommender.records.record_times",
    "recommender.records.slates",
    "recommender.requests.body_fields",
    "recommender.requests.list_policy",
    "recommender.requests.list_rules",
    "recommender.requests.policy_fields",
    "recommender.requests.reward_evidence",
    "recommender.requests.rule_fields",
    "recommender.requests.wire",
    "recommender.config",
    "recommender.long_work",
    "recommender.arrays.bases",
    "trainer.candidate_files",
    "trainer.codec",
    "trainer.config",
    "trainer.data.positives",
    "trainer.report",
    "trainer.machine.retries",
    "trainer.archive",
    "trainer.machine.durable_files",
    "trainer.machine.file_lock",
    "trainer.machine.prctl",
    "trainer.machine.elastic_agent",
    "trainer.machine.sentences",
    "trainer.signature",
)

# Everything that `rollback`, `status` and `releases` load.
LIGHT = (
    *VALUES,
    "copywriter.brief",
    "copywriter.verifier.check",
    "copywriter.writing.prompts",
    "cron.ledger.ledger",
    "cron.serving.release",
    "cron.settings.file",
    "cron.wiring",
    "cron.backends.torchserve.server",
    "deploy.servers.torchserve.command",
    "deploy.machine.serve",
)

# Of cron, only these may import the wiring.
MAY_OPEN_ALL = ("cron.wiring", "cron.worker.worker", "cron.__main__", "cron.verbs")

# The first prefix that fits a module says which of the project's modules it may import.
ALLOWED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("recommender",), ("recommender",)),
    (
        ("copywriter.writing.causal_model",),
        (
            "copywriter",
            "recommender.encoder.encoder_model",
            "recommender.encoder.encoder_source",
        ),
    ),
    (("copywriter",), ("copywriter", "recommender.long_work", "recommender.records")),
    (("handler",), ("handler", "copywriter", "recommender")),
    (("sources.cells",), ("sources.cells", "recommender.records.nobody")),
    (
        ("sources.interactions", "sources.source", "sources.row_file"),
        (
            "sources.interactions",
            "sources.row_file",
            "sources.files.on_disk",
            "recommender.records.event_lines",
        ),
    ),
    (("sources.files",), ("sources.files", "sources.source", "recommender.long_work")),
    (
        ("sources.graphs",),
        (
            "sources.graphs",
            "sources.tables",
            "sources.files",
            "sources.cells",
            "sources.source",
            "sources.interactions",
        ),
    ),
    (
        ("sources.tables",),
        (
            "sources.tables",
            "sources.files",
            "sources.cells",
            "sources.source",
            "sources.interactions",
            "sources.gathering",
            "recommender.records.excerpt",
        ),
    ),
    (
        ("sources.feeds",),
        (
            "sources.feeds",
            "sources.files.decoding",
            "recommender.records.excerpt",
            "recommender.records.images",
            "recommender.records.record_fields",
        ),
    ),
    (
        ("sources",),
        (
            "sources",
            "recommender.records.excerpt",
            "recommender.records.images",
            "recommender.records.nobody",
            "recommender.records.record_fields",
        ),
    ),
    (("trainer",), ("trainer", "recommender")),
    (
        ("cron.backends",),
        (
            "cron.ports",
            "cron.epoch",
            "cron.errors",
            "cron.item_counts",
            "cron.known_item",
            "cron.machine_errors",
            "cron.past_event",
            "cron.rebuild_marks",
            "cron.server_versions",
            "cron.stored_records",
            "cron.user_keys",
            "cron.urls",
            "cron.local",
            "recommender.records.events",
            "recommender.records.facts",
            "recommender.records.record_fields",
            "recommender.records.slates",
            "trainer.candidate_files",
            "trainer.config",
            "trainer.report",
            "trainer.machine.durable_files",
            "trainer.machine.file_lock",
            "trainer.machine.prctl",
            "trainer.machine.elastic_agent",
            "trainer.machine.sentences",
            "trainer.machine.retries",
            "trainer.remote_files.sender",
            "trainer.remote_files.store",
        ),
    ),
    (
        MAY_OPEN_ALL,
        ("cron", "copywriter", "sources", "recommender.records.nobody", *VALUES),
    ),
    (("cron",), ("cron", "copywriter", *VALUES)),
    (
        ("gateway",),
        (
            "gateway",
            "copywriter",
            "cron",
            "recommender.requests.body",
            "recommender.requests.body_fields",
            "recommender.records.events",
            "recommender.records.event_details",
            "recommender.records.excerpt",
            "recommender.records.facts",
            "recommender.records.ids",
            "recommender.records.images",
            "recommender.requests.list_policy",
            "recommender.requests.list_rules",
            "recommender.records.record_fields",
            "recommender.records.record_times",
            "recommender.records.slates",
            "recommender.requests.reward_evidence",
            "recommender.requests.rule_fields",
            "recommender.requests.wire",
            "sources.feeds",
            "trainer.machine.prctl",
            "trainer.report",
        ),
    ),
    (("clients",), ()),
    (("deploy", "bench", "tests"), PACKAGES),
)
FORBIDDEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cron", ("cron.backends",)),  # all of cron but its wiring
    (
        "gateway",
        (
            "cron.backends",
            "cron.cycle.cycle",
            "cron.serving.release",
            "cron.worker.worker",
            "cron.verbs",
        ),
    ),
)
MAY_NAME_BACKENDS = ("cron.wiring", "cron.backends")


@pytest.mark.parametrize("file", python_files(), ids=display_path)
def test_a_module_imports_only_what_its_room_may(file: Path) -> None:
    module = ".".join(file.relative_to(PROJECT_ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    )
    wrong = sorted(name for name in _imported_names(syntax_tree(file)) if not _may(module, name))
    assert not wrong, (
        f"{module} imports {', '.join(wrong)}; see docs/architecture.md, Who imports whom"
    )


def test_the_allow_list_bites() -> None:
    assert not _may("recommender.network.model", "trainer.learning.loop")
    assert not _may("cron.cycle.cycle", "recommender.network.model")
    assert not _may("cron.cycle.cycle", "cron.backends.sqlite.events")
    assert not _may("cron.backends.redis.events", "cron.backends.sqlite.histories")
    assert not _may("gateway.app", "cron.cycle.cycle")
    assert _may("cron.cycle.cycle", "trainer.archive.pack")
    assert not _may("cron.backends.kafka.log", "cron.backends.sqlite.events")
    assert _may("cron.backends.kafka.log", "cron.backends.kafka.reader")
    assert _may("cron.wiring", "cron.backends.sqlite.events")
    assert not _may("cron.settings.file", "cron.wiring.open_log")
    assert _may("cron.verbs.status", "cron.wiring.open_log")


def _imported_names(tree: ast.Module) -> set[str]:
    """Return the dotted names of the project's modules that a module imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def _may(module: str, name: str) -> bool:
    if _under(module, name) or (
        module.startswith("cron.backends.") and _under(_back_end(module), name)
    ):
        return True
    if _under("cron", module) and _under("cron.wiring", name):
        return any(_under(one, module) for one in MAY_OPEN_ALL)
    for prefix, forbidden in FORBIDDEN:
        if (
            _under(prefix, module)
            and not any(_under(one, module) for one in MAY_NAME_BACKENDS)
            and any(_under(one, name) for one in forbidden)
        ):
            return False
    allowed = next(
        allowed
        for prefixes, allowed in ALLOWED
        if any(_under(prefix, module) for prefix in prefixes)
    )
    return any(_under(prefix, name) for prefix in allowed)


def _back_end(module: str) -> str:
    """Return the back end that a module is or belongs to; a back end may be a package."""
    return ".".join(module.split(".")[:3])


def _under(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not loaded, f"{module} loads {', '.join(loaded)}"


def test_bars_also_have_lines_off_a_terminal() -> None:
    """tqdm alone shows nothing there; these modules write lines of their own."""
    drawing = {
        display_path(file)
        for file in python_files()
        if any(line.strip() == "from tqdm import tqdm" for line in file.read_text().splitlines())
    }
    assert drawing == {
        "copywriter/tuning/__main__.py",  # only its type
        "cron/verbs/relay.py",  # forever, unless with --once
        "cron/verbs/run_once.py",
        "deploy/machine/waiting.py",
        "recommender/long_work.py",
        "trainer/progress.py",
    }


def test_the_check_would_notice() -> None:
    code = "import sys, pandas; print('pandas' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "True"
    )


def test_import_contracts_cover_every_package() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())
    linter = project["tool"]["importlinter"]
    shipped = set(PACKAGES) - {"bench", "tests"}
    assert set(linter["root_packages"]) == shipped
    sources = {
        name
        for contract in linter["contracts"]
        for name in contract.get("source_modules", contract.get("modules", []))
    }
    assert {name.split(".")[0] for name in sources} >= shipped - {
        "deploy"
    }  # deploy may import all of them


def test_every_package_is_installed() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())
    found = find_packages(str(PROJECT_ROOT), **project["tool"]["setuptools"]["packages"]["find"])
    shipped = set(PACKAGES) - {"bench", "tests"}
    packages = {
        str(folder.relative_to(PROJECT_ROOT)).replace("/", ".")
        for package in shipped
        for folder in _package_folders(package)
    }
    assert set(found) == packages


def _package_folders(package: str) -> list[Path]:
    return [file.parent for file in (PROJECT_ROOT / package).rglob("__init__.py")]
