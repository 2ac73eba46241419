"""The dotted keys of the tree, their environment variables, the nearest key to a wrong one.

They are read from the dataclasses, so a new field is a new key.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

from cron.settings.rules import Rule
from cron.settings.tree import Settings
from cron.settings.values import Leaf

PREFIX = "FRESHET__"


def settings_leaves() -> dict[str, Leaf]:
    """Return every dotted key of the tree, in the order of the dataclasses."""
    return _leaves(Settings, "", {})


def variable(key: str) -> str:
    """Return the environment variable that overrides a dotted key."""
    return PREFIX + key.upper().replace(".", "__")


def value_of(settings: object, key: str) -> object:
    """Return the value at a dotted key."""
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


def build_settings(values: Mapping[str, object]) -> Settings:
    """Build the tree from values by dotted key; missing keys have their defaults."""
    built = _build(Settings, "", values)
    assert isinstance(built, Settings)
    return built


def unknown_key(where: str, key: str, leaves: Mapping[str, Leaf]) -> str:
    """Return the message for a key that does not exist, with the nearest one that does."""
    branches = {known.rsplit(".", 1)[0] for known in leaves}
    near = difflib.get_close_matches(key, [*leaves, *branches], n=1, cutoff=0.5)
    # a right name under a wrong table is a better guess than a similar word
    same_name = [known for known in leaves if known.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    guess = next(iter([*same_name, *near]), None)
    hint = f"did you mean {guess}?" if guess else "`python -m cron config` lists all keys"
    return f"{where}: {key} is not a setting; {hint}"


def _leaves(cls: type, prefix: str, rules: Mapping[str, Rule]) -> dict[str, Leaf]:
    """Return the leaves of a branch; `rules` are for keys relative to it."""
    found: dict[str, Leaf] = {}
    hints = get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            found |= _leaves(hint, key + ".", _branch_rules(field, rules))
        else:
            found[key] = Leaf(
                hint=hint,
                default=_default(field),
                secret=bool(field.metadata.get("secret")),
                rule=rules.get(field.name),
            )
    return found


def _branch_rules(field: Field[Any], rules: Mapping[str, Rule]) -> dict[str, Rule]:
    prefix = field.name + "."
    inherited = {
        key.removeprefix(prefix): rule for key, rule in rules.items() if key.startswith(prefix)
    }
    return {**inherited, **field.metadata.get("rules", {})}


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _build(cls: type, prefix: str, values: Mapping[str, object]) -> object:
    hints = get_type_hints(cls)
    given: dict[str, object] = {}
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            given[field.name] = _build(hint, key + ".", values)
        elif key in values:
            given[field.name] = values[key]
    built: object = cls(**given)
    return built
