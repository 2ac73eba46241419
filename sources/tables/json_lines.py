"""JSON lines: one object per line, as Yelp, Goodreads, Amazon and `mongoexport` write them.

Python literals, as in the Steam data, are read too. A list of objects over several lines is
refused, since it can't be read in blocks.
"""

from __future__ import annotations

import ast
import io
import json
import math
from collections.abc import Iterator, Mapping

import numpy as np

from recommender.records.excerpt import shorten
from sources.files.blocks import Blocks
from sources.files.decoding import as_text
from sources.files.folders import DataFolder
from sources.source import Reject, SourceError
from sources.tables.columns import Chunk, cells_by_role

ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
EXPECTED = "a JSON object"
_FIRST_LINES = 20
_LIST = "one object per line; convert a list with: jq -c '.[]' FILE"
# MongoDB's names of wrapped values.
_WRAPPED = frozenset(
    {"$oid", "$date", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"}
)


def is_json(folder: DataFolder, file: str) -> bool:
    """Return whether a file begins as JSON; raise SourceError for a list over several lines."""
    lines = [line.strip() for line in folder.first_lines(file, _FIRST_LINES)]
    first = next((line for line in lines if line), "")
    if not first.startswith(("{", "[")):
        return False
    if not any(_object(line) for line in lines):
        if first.startswith("[") or lines == ["{"] * len(lines):
            raise SourceError(folder.path_of(file), found=shorten(repr(first)), expected=_LIST)
        return any(line.startswith("{") and ":" in line for line in lines)
    return True


def names_in(folder: DataFolder, file: str) -> list[str]:
    """Return the names in the first objects of a file."""
    objects = (_object(line.strip()) or {} for line in folder.first_lines(file, _FIRST_LINES))
    return list(dict.fromkeys(str(name) for one in objects for name in one))


def chunks(
    blocks: Blocks, path: str, roles: Mapping[str, str], rejects: list[Reject]
) -> Iterator[Chunk]:
    """Yield a file's rows by role; lines that are not objects are added to `rejects`.

    A name that no object has raises SourceError.
    """
    file, num_before, missing = path.rpartition("/")[2], 0, {*roles.values()}
    objects: list[Mapping[str, object]] = []
    lines: list[int] = []
    for block in blocks:
        for line, raw in enumerate(io.BytesIO(block), start=num_before + 1):
            text = as_text(raw).strip()
            one = _object(text) if text else None
            if one is not None:
                objects.append(one)
                lines.append(line)
            elif text not in ("", "[", "]"):
                rejects.append(Reject(file=file, line=line, reason=f"expected {EXPECTED}"))
            num_before = line
            if len(objects) == blocks.limits.chunk_rows:
                missing = _still_missing(path, objects, missing)
                yield _chunk(objects, lines, roles)
                objects, lines = [], []
    if objects:
        _still_missing(path, objects, missing)
        yield _chunk(objects, lines, roles)


def literal(text: str) -> Mapping[str, object] | None:
    """Parse an object in JSON or as a Python literal; None when it is neither."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
    return values if isinstance(values, dict) else None


def _object(text: str) -> Mapping[str, object] | None:
    return literal(text.rstrip(",")) if text.startswith("{") else None


def _still_missing(path: str, objects: list[Mapping[str, object]], missing: set[str]) -> set[str]:
    """Return the names not seen yet; raise SourceError if the objects lack one.

    The first chunk has thousands of rows, which is enough to decide.
    """
    if not missing:
        return missing
    missing = missing - {
        name for one in objects for name in missing if _value(one, name) is not None
    }
    for column in sorted(missing):
        names = list(dict.fromkeys(str(name) for one in objects for name in one))
        raise SourceError(
            path,
            column=column,
            found=shorten(repr(", ".join(names))),
            expected="objects with this name",
        )
    return missing


def _chunk(
    objects: list[Mapping[str, object]], lines: list[int], roles: Mapping[str, str]
) -> Chunk:
    texts = {role: [_text(_value(one, name)) for one in objects] for role, name in roles.items()}
    return Chunk(
        lines_N=np.array(lines, np.int64), num_lines=[1] * len(lines), cells=cells_by_role(texts)
    )


def _value(one: Mapping[str, object], name: str) -> object:
    """Return a value by its name or its path, such as user.id."""
    if name in one or "." not in name:
        return one.get(name)
    value: object = one
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str:
    """Return a value as text: whole numbers without a point, lists joined by commas.

    An object has no text, except MongoDB's wrapped values.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, dict) and len(value) == 1 and (name := next(iter(value))) in _WRAPPED:
        return _text(value[name])
    return ""


def _digits(value: int) -> str:
    """Return a whole number's digits; empty if it has more than Python converts."""
    try:
        return str(value)
    except ValueError:
        return ""
