"""The value of one settings key: read from text, checked against its type and its rule."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Union, get_args, get_origin

from cron.errors import SettingsError
from cron.settings.rules import FILLED, NOT_NEGATIVE, ParsedTable, Rule
from cron.urls.passwords import hide_password
from recommender.requests.wire import BadRequest

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    type(None): "nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One key of the tree: its type, its default, its rule, and whether it is a secret.

    A rule in the type itself (`Annotated`) goes before `rule`.
    """

    hint: object
    default: object
    secret: bool
    rule: Rule | None = None


def from_text(text: str, hint: object) -> object:
    """Read an environment variable as its key's type.

    A text that cannot be read is returned as it is; the check of types then names it.
    """
    kinds = [_kind(option) for option in _options(hint)]
    if text == "" and type(None) in kinds:
        return None
    if any(get_origin(kind) is Mapping for kind in kinds):
        return _table_from_text(text)
    if any(get_origin(kind) is tuple for kind in kinds):
        return [part.strip() for part in text.split(",") if part.strip()]
    if bool in kinds:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                continue
    return text


def _table_from_text(text: str) -> object:
    """Read a JSON object, the only form of a table in an environment variable."""
    try:
        table: object = json.loads(text)
    except ValueError:
        return text
    return table


def check_value(key: str, value: object, leaf: Leaf, where: str) -> object:
    """Return the value as its key's type; raise SettingsError that names where it was found.

    A list may be empty if it is so by default.
    """
    options = _options(leaf.hint)
    if value == [] and leaf.default == ():
        return ()
    for option in options:
        fits, typed = _convert(value, _kind(option))
        if fits:
            rule = _rule(option) or leaf.rule or _default_rule(typed)
            if isinstance(rule, ParsedTable):
                return _parse_table(rule, typed, where)
            wrong = rule.violation(typed) if rule is not None and typed is not None else None
            if wrong:
                raise SettingsError(_message(key, value, leaf, where) + wrong)
            return typed
    wanted = " or ".join(_type_words(_kind(option)) for option in options)
    raise SettingsError(_message(key, value, leaf, where) + wanted)


def _parse_table(rule: ParsedTable, value: object, where: str) -> object:
    assert isinstance(value, Mapping)
    try:
        return rule.parse(value)
    except BadRequest as error:
        raise SettingsError(f"{where}: {error.reason}") from error


def _message(key: str, value: object, leaf: Leaf, where: str) -> str:
    text = repr(hide_password(value) if isinstance(value, str) else value)
    return f"{where}: {key} = {'***' if leaf.secret else text}: expected "


def _options(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _kind(option: object) -> object:
    """Return an option's type without its rule."""
    return get_args(option)[0] if get_origin(option) is Annotated else option


def _rule(option: object) -> Rule | None:
    """Return the rule in an option's type."""
    rule: Rule | None = get_args(option)[1] if get_origin(option) is Annotated else None
    return rule


def _default_rule(value: object) -> Rule | None:
    if isinstance(value, str):
        return FILLED
    if isinstance(value, int | float) and not isinstance(value, bool):
        return NOT_NEGATIVE
    return None


def _convert(value: object, kind: object) -> tuple[bool, object]:
    """Return whether a value is of a type, and return it as that type."""
    if kind is type(None):
        return value is None, None
    if get_origin(kind) is Literal:
        return value in get_args(kind), value
    if get_origin(kind) is Mapping:
        is_texts = get_args(kind)[1] is str
        fits = isinstance(value, dict) and (not is_texts or all(map(_is_text, value.values())))
        return fits, value
    if get_origin(kind) is tuple:
        is_list = (
            isinstance(value, list)
            and bool(value)
            and all(_is_part(part, get_args(kind)[0]) for part in value)
        )
        return is_list, tuple(value) if isinstance(value, list) else value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return True, float(value)
    if kind is int and isinstance(value, bool):
        return False, value
    return isinstance(kind, type) and isinstance(value, kind), value


def _is_part(value: object, kind: object) -> bool:
    """Return whether a value may stand in a list of texts, or of a Literal's choices."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return isinstance(value, str) and bool(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _type_words(kind: object) -> str:
    if get_origin(kind) is Literal:
        return f"one of {_choices(kind)}"
    if get_origin(kind) is Mapping:
        return "a table of texts" if get_args(kind)[1] is str else "a table"
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        return f"a list, not empty, of {_choices(get_args(kind)[0])}"
    if get_origin(kind) is tuple:
        return "a list of texts, not empty"
    return _WORDS[kind] if isinstance(kind, type) else str(kind)


def _choices(kind: object) -> str:
    return ", ".join(repr(choice) for choice in get_args(kind))
