"""The settings file: one TOML file and environment overrides become one `Settings` tree.

A value comes from the default in `cron.settings.tree`, the file, or the environment; the later one
wins. The file is `--config`, or `FRESHET_CONFIG`, or `deploy/local.toml`.
`FRESHET__WORKER__INTERVAL_S=60` is the key `worker.interval_s`. Nothing that the settings name is
opened.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cron.errors import SettingsError
from cron.project_root import PROJECT_ROOT
from cron.settings.combinations import check_combinations
from cron.settings.keys import PREFIX, build_settings, settings_leaves, unknown_key, variable
from cron.settings.secret_variables import check_secret, check_secrets
from cron.settings.tree import Settings
from cron.settings.values import Leaf, check_value, from_text
from cron.urls.passwords import holds_password

DEFAULT_FILE = PROJECT_ROOT / "deploy" / "local.toml"
FILE_VARIABLE = "FRESHET_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings in force, and the origin of the value of every dotted key."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


def load_settings(path: Path | None, env: Mapping[str, str]) -> Loaded:
    """Read and check the settings; raise SettingsError naming file, key, value and remedy.

    Without a path the file is the one that `FRESHET_CONFIG` names, or `deploy/local.toml`; only the
    last may be absent.
    """
    leaves = settings_leaves()
    file = _find(path, env)
    values: dict[str, object] = {}
    origins = dict.fromkeys(leaves, "default")

    def take(key: str, value: object, where: str) -> None:
        values[key] = check_value(key, value, leaves[key], where)
        origins[key] = where

    for key, value in _file_values(file, leaves).items():
        take(key, value, _display_path(file))
    for key, value in _env_values(env, leaves).items():
        take(key, value, f"environment {variable(key)}")
    settings = build_settings(values)
    check_combinations(settings, origins)
    check_secrets(settings.store, env)
    return Loaded(settings=settings, origins=origins, file=file)


def _find(path: Path | None, env: Mapping[str, str]) -> Path | None:
    named = path or (Path(env[FILE_VARIABLE]) if env.get(FILE_VARIABLE) else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    if not named.is_file():
        how = "--config" if path else FILE_VARIABLE
        defaults = f"the embedded defaults are in {_display_path(DEFAULT_FILE)}"
        found = f"{named} is not a file" if named.exists() else f"the file {named} does not exist"
        raise SettingsError(f"{how}: {found}; {defaults}")
    return named


def _display_path(file: Path | None) -> str:
    if file is None:
        return "default"
    return str(file.relative_to(PROJECT_ROOT)) if file.is_relative_to(PROJECT_ROOT) else str(file)


def _file_values(file: Path | None, leaves: Mapping[str, Leaf]) -> dict[str, object]:
    if file is None:
        return {}
    where = _display_path(file)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where}: not a TOML file: {error}") from error
    except OSError as error:
        raise SettingsError(f"{where}: can't be read ({error.strerror})") from error
    flat: dict[str, object] = {}
    _flatten(table, "", leaves, flat, where)
    for key, value in flat.items():
        if leaves[key].secret:
            raise SettingsError(
                f"{where}: {key} is a secret and is only read from the environment;"
                f" set {variable(key)} instead"
            )
        if key.startswith("store.") and isinstance(value, str) and holds_password(value):
            raise SettingsError(
                f"{where}: {key} holds a password, and passwords come from the environment only:"
                f" remove it here, and set {variable(key)} to the whole URL, or a variable that the"
                " client reads itself (docs/backends.md)"
            )
    return flat


def _flatten(
    table: Mapping[str, object],
    prefix: str,
    leaves: Mapping[str, Leaf],
    flat: dict[str, object],
    where: str,
) -> None:
    for name, value in table.items():
        key = prefix + name
        if key in leaves:
            flat[key] = value
        elif not any(known.startswith(key + ".") for known in leaves):
            raise SettingsError(unknown_key(where, key, leaves))
        elif isinstance(value, dict):
            _flatten(value, key + ".", leaves, flat, where)
        else:
            raise SettingsError(f"{where}: {key} = {value!r}: expected a table, [{key}]")


def _env_values(env: Mapping[str, str], leaves: Mapping[str, Leaf]) -> dict[str, object]:
    flat: dict[str, object] = {}
    by_letters = {_letters(variable(key)): variable(key) for key in leaves}
    for name, text in sorted(env.items()):
        if not name.startswith(PREFIX):
            if meant := by_letters.get(_letters(name)):
                raise SettingsError(f"environment {name}: is not read; did you mean {meant}?")
            continue
        key = name.removeprefix(PREFIX).lower().replace("__", ".")
        if key not in leaves:
            raise SettingsError(unknown_key(f"environment {name}", key, leaves))
        if leaves[key].secret:
            check_secret(name, text)
        flat[key] = from_text(text, leaves[key].hint)
    return flat


def _letters(name: str) -> str:
    """Return a variable's name without what is easily mistaken: underscores and case."""
    return name.upper().replace("_", "")
