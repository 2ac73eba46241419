"""Which URL scheme opens which back end: a dict a port, from scheme to a function that imports its client inside.

Knows names and paths; does not know what a back end does.

A path in a URL follows SQLAlchemy's rule: three slashes start at the project's root (`sqlite:///var/events.db`), four are
absolute (`sqlite:////srv/freshet/events.db`). `store.var` is an ordinary path, relative to the project's root too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from cron.config import Settings
from cron.errors import SettingsError

if TYPE_CHECKING:  # imported late, so that `rollback` and `status` load nothing that they don't need
    from cron.ledger import Ledger
    from cron.parts import Parts
    from cron.ports import ArtifactStore, EventLog, Histories, ModelServer, TrainLauncher

PROJECT_ROOT = Path(__file__).resolve().parents[1]
Opened = TypeVar("Opened")


def local_path(url: str) -> Path:
    """Return the absolute path of an on-disk URL."""
    return PROJECT_ROOT / urlsplit(url).path.removeprefix("/")


def var_folder(settings: Settings) -> Path:
    """Return the absolute path of the working folder: runs, caches, logs, dead letters."""
    return PROJECT_ROOT / settings.store.var


def open_parts(settings: Settings) -> Parts:
    """Open everything that a cycle works with; loads pyarrow, so only for verbs that need it all."""
    from cron.journal import Journal
    from cron.parts import Parts, Paths

    paths = Paths(var=var_folder(settings))
    ledger, artifacts = open_ledger(settings.store.ledger), open_artifacts(settings.store.artifacts)
    return Parts(
        settings=settings,
        paths=paths,
        ledger=ledger,
        log=open_log(settings.store.events),
        histories=open_histories(settings.store.histories),
        artifacts=artifacts,
        launcher=open_launcher(settings.store.launcher, text_cache=paths.texts),
        server=open_server(settings.store.server, drain_timeout_s=settings.release.drain_timeout_s),
        journal=Journal(ledger, artifacts, paths.journal),
    )


def open_ledger(url: str) -> Ledger:
    """Open the ledger; torch-free and quick."""
    return _pick("ledger", url, _LEDGERS)(url)


def open_log(url: str) -> EventLog:
    """Open the event log; raise Unavailable."""
    return _pick("events", url, _LOGS)(url)


def open_histories(url: str) -> Histories:
    """Open the histories; raise Unavailable."""
    return _pick("histories", url, _HISTORIES)(url)


def open_artifacts(url: str) -> ArtifactStore:
    """Open the store of archives and journal segments; raise Unavailable."""
    return _pick("artifacts", url, _ARTIFACTS)(url)


def open_launcher(url: str, *, text_cache: Path) -> TrainLauncher:
    """Open the way to start a trainer."""
    return _pick("launcher", url, _LAUNCHERS)(url, text_cache)


def open_server(url: str, *, drain_timeout_s: float) -> ModelServer:
    """Open the way to the model server; nothing is sent until it is used."""
    return _pick("server", url, _SERVERS)(url, drain_timeout_s)


def inference_url(url: str) -> str:
    """Return where the model server answers for its default version."""
    _pick("server", url, _SERVERS)
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"http://{host}:{_options(url).get('inference', '8080')}/predictions/{quote(parts.path.strip('/'), safe='')}"


def server_keys(url: str) -> Path | None:
    """Return the file into which TorchServe writes its keys at each start; None where its tokens are off."""
    keys = _options(url).get("keys")
    return None if keys is None else Path(keys)


def check_url(store: str, url: str) -> str | None:
    """Return what was expected when the URL can't be the setting `store.{store}`; None when it can."""
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES[store]:
        return "a URL that starts with " + " or ".join(f"{name}:" for name in _SCHEMES[store])
    if scheme in ("sqlite", "file"):
        parts = urlsplit(url)
        fine = not parts.netloc and bool(parts.path.strip("/"))
        return None if fine else f"{scheme}:///PATH from the project's root, or {scheme}:////PATH from the root of the disk"
    return _wrong_server(url) if scheme == "torchserve" else None


def _wrong_server(url: str) -> str | None:
    options = _options(url)
    try:
        parts = urlsplit(url)
        ports = (parts.port, int(options.get("inference", "8080")))
        fine = bool(parts.hostname and parts.path.strip("/")) and all(port is None or 0 < port < 65_536 for port in ports)
    except ValueError:  # a port that is no number, or over 65535
        fine = False
    fine = fine and options.keys() <= {"inference", "keys"} and options.get("keys", "/").startswith("/")
    return None if fine else "torchserve://HOST:MANAGEMENT_PORT/MODEL?inference=PORT, with &keys=/PATH where its tokens are on"


def _options(url: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


def _pick(store: str, url: str, back_ends: Mapping[str, Opened]) -> Opened:
    expected = check_url(store, url)
    if expected:
        raise SettingsError(f"store.{store} = {url!r}: expected {expected}")
    return back_ends[urlsplit(url).scheme]


def _sqlite_ledger(url: str) -> Ledger:
    from cron.ledger import open_ledger as open_url

    return open_url(f"sqlite:///{local_path(url)}")


def _sqlite_log(url: str) -> EventLog:
    from cron.backends.events_sqlite import open_log as open_path

    return open_path(local_path(url))


def _sqlite_histories(url: str) -> Histories:
    from cron.backends.histories_sqlite import open_histories as open_path

    return open_path(local_path(url))


def _folder_artifacts(url: str) -> ArtifactStore:
    from cron.backends.artifacts_folder import open_artifacts as open_folder

    return open_folder(local_path(url))


def _process_launcher(url: str, text_cache: Path) -> TrainLauncher:
    from cron.backends.launch_process import open_launcher as open_url

    return open_url(url, text_cache=text_cache)


def _torchserve(url: str, drain_timeout_s: float) -> ModelServer:
    from cron.backends.server_torchserve import open_server as open_url

    return open_url(url, drain_timeout_s=drain_timeout_s)


_LEDGERS: Mapping[str, Callable[[str], Ledger]] = {"sqlite": _sqlite_ledger}
_LOGS: Mapping[str, Callable[[str], EventLog]] = {"sqlite": _sqlite_log}
_HISTORIES: Mapping[str, Callable[[str], Histories]] = {"sqlite": _sqlite_histories}
_ARTIFACTS: Mapping[str, Callable[[str], ArtifactStore]] = {"file": _folder_artifacts}
_LAUNCHERS: Mapping[str, Callable[[str, Path], TrainLauncher]] = {"process": _process_launcher}
_SERVERS: Mapping[str, Callable[[str, float], ModelServer]] = {"torchserve": _torchserve}

# by the key under [store]
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "ledger": tuple(_LEDGERS),
    "events": tuple(_LOGS),
    "histories": tuple(_HISTORIES),
    "artifacts": tuple(_ARTIFACTS),
    "launcher": tuple(_LAUNCHERS),
    "server": tuple(_SERVERS),
}
