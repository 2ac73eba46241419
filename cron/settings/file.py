"""The settings file: one TOML file and environment overrides become one frozen `Settings` tree, or one sentence about what is wrong.

Walks the settings dataclasses, so that a new field is a new key without a line here. Knows which
values can't be; does not open what the settings name.

A value comes from, the later the stronger: the default in `cron.settings.tree`, the file, the
environment. The file is `--config`, or `FRESHET_CONFIG`, or `deploy/local.toml`.
`FRESHET__WORKER__INTERVAL_S=60` is the key `worker.interval_s`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import get_type_hints

from cron.errors import SettingsError
from cron.settings.secret_variables import check_secret, check_secrets
from cron.settings.tree import Settings
from cron.settings.values import Leaf, checked, from_text
from cron.wiring import PROJECT_ROOT, holds_password

DEFAULT_FILE = PROJECT_ROOT / "deploy" / "local.toml"
FILE_VARIABLE = "FRESHET_CONFIG"
PREFIX = "FRESHET__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings in force, and for every dotted key where its value came from."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


def load_settings(path: Path | None, env: Mapping[str, str]) -> Loaded:
    """Read and check the settings; raise SettingsError naming file, key, value and what would be right.

    Without a path the file is the one that `FRESHET_CONFIG` names, or `deploy/local.toml`; only the
    last may be absent.
    """
    leaves = settings_leaves()
    file = _find(path, env)
    values: dict[str, object] = {}
    origins = dict.fromkeys(leaves, "default")
    for source, found in (
        (_shown(file), _file_values(file, leaves)),
        ("environment", _env_values(env, leaves)),
    ):
        for key, value in found.items():
            where = f"{source} {variable(key)}" if source == "environment" else source
            values[key] = checked(key, value, leaves[key], where)
            origins[key] = where
    settings = _construct(Settings, "", values)
    assert isinstance(settings, Settings)
    _check_combinations(settings, origins)
    check_secrets(settings.store, env)
    return Loaded(settings=settings, origins=origins, file=file)


def settings_leaves() -> dict[str, Leaf]:
    """Return every dotted key of the tree, in the order of the dataclasses."""
    return _leaves(Settings, "")


def variable(key: str) -> str:
    """Return the environment variable that overrides a dotted key."""
    return PREFIX + key.upper().replace(".", "__")


def value_of(settings: object, key: str) -> object:
    """Return the value at a dotted key."""
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


def _find(path: Path | None, env: Mapping[str, str]) -> Path | None:
    named = path or (Path(env[FILE_VARIABLE]) if env.get(FILE_VARIABLE) else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    if not named.is_file():
        how = "--config" if path else FILE_VARIABLE
        raise SettingsError(
            f"{how}: there is no file {named}; the embedded defaults are in {_shown(DEFAULT_FILE)}"
        )
    return named


def _shown(file: Path | None) -> str:
    if file is None:
        return "default"
    return str(file.relative_to(PROJECT_ROOT)) if file.is_relative_to(PROJECT_ROOT) else str(file)


def _leaves(cls: type, prefix: str) -> dict[str, Leaf]:
    found: dict[str, Leaf] = {}
    hints = get_type_hints(cls)
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            found |= _leaves(hint, key + ".")
        else:
            default = (
                field.default_factory() if field.default_factory is not MISSING else field.default
            )
            found[key] = Leaf(hint=hint, default=default, secret=bool(field.metadata.get("secret")))
    return found


def _construct(cls: type, prefix: str, values: Mapping[str, object]) -> object:
    hints = get_type_hints(cls)
    given: dict[str, object] = {}
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            given[field.name] = _construct(hint, key + ".", values)
        elif key in values:
            given[field.name] = values[key]
    built: object = cls(**given)
    return built


def _file_values(file: Path | None, leaves: Mapping[str, Leaf]) -> dict[str, object]:
    if file is None:
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{_shown(file)}: not a TOML file: {error}") from error
    flat: dict[str, object] = {}
    _flatten(table, "", leaves, flat, _shown(file))
    for key, value in flat.items():
        if leaves[key].secret:
            raise SettingsError(
                f"{_shown(file)}: {key} is a secret and is only read from the environment; set {variable(key)} instead"
            )
        if key.startswith("store.") and isinstance(value, str) and holds_password(value):
            raise SettingsError(
                f"{_shown(file)}: {key} holds a password, and passwords come from the environment only: leave it out here, and set "
                f"{variable(key)} to the whole URL, or what the client reads by itself (docs/backends.md)"
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
            raise SettingsError(_unknown(where, key, leaves))
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
            raise SettingsError(_unknown(f"environment {name}", key, leaves))
        if leaves[key].secret:
            check_secret(name, text)
        flat[key] = from_text(text, leaves[key].hint)
    return flat


def _letters(name: str) -> str:
    """Return a variable's name without what is easily mistaken in it: one underscore for two, small letters."""
    return name.upper().replace("_", "")


def _unknown(where: str, key: str, leaves: Mapping[str, Leaf]) -> str:
    branches = {known.rsplit(".", 1)[0] for known in leaves}
    near = difflib.get_close_matches(key, [*leaves, *branches], n=1, cutoff=0.5)
    # a right name under a wrong table is nearer to what was meant than a similar word
    same_name = [known for known in leaves if known.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    guess = next(iter([*same_name, *near]), None)
    hint = f"did you mean {guess}?" if guess else "`python -m cron config` lists all keys"
    return f"{where}: {key} is not a setting; {hint}"


def _check_combinations(settings: Settings, origins: Mapping[str, str]) -> None:
    gate, release, model, gateway, worker = (
        settings.gate,
        settings.release,
        settings.train.model,
        settings.gateway,
        settings.worker,
    )
    wrong = (
        (
            gate.min_panel_share > gate.max_panel_share,
            "gate.min_panel_share",
            "is over",
            "gate.max_panel_share",
        ),
        (
            release.keep_releases < release.keep_registered,
            "release.keep_releases",
            "is under",
            "release.keep_registered",
        ),
        (
            model.dim % model.num_heads != 0,
            "train.model.dim",
            "is no multiple of",
            "train.model.num_heads",
        ),
        (worker.poll_s >= worker.lease_s, "worker.poll_s", "must be under", "worker.lease_s"),
    )
    for is_wrong, key, relation, other in wrong:
        if is_wrong:
            where = origins[key] if origins[key] != "default" else origins[other]
            values = (value_of(settings, key), value_of(settings, other))
            raise SettingsError(
                f"{where}: {key} = {values[0]!r} {relation} {other} = {values[1]!r}"
            )
    if release.require_signatures and not release.sign_archives:
        needed = "needs release.sign_archives: an unsigned archive would never be loaded"
        raise SettingsError(
            f"{origins['release.require_signatures']}: release.require_signatures = True {needed}"
        )
    both = sorted({*settings.train.positive_types} & {*settings.train.negative_types})
    if both:
        key = (
            "train.positive_types"
            if origins["train.positive_types"] != "default"
            else "train.negative_types"
        )
        raise SettingsError(
            f"{origins[key]}: {both[0]!r} is in both train.positive_types and train.negative_types; take it out of one"
        )
    if not _loopback(gateway.host) and gateway.api_key is None:
        needed = f"is open to other machines without a key; set {variable('gateway.api_key')}, or host 127.0.0.1"
        raise SettingsError(f"{origins['gateway.host']}: gateway.host = {gateway.host!r} {needed}")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
