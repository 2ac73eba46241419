"""Write the TypeScript types of the API: `python -m tests.architecture.typescript`.

They are made of the gateway's OpenAPI, so they cannot contradict it.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import cast

from cron.project_root import PROJECT_ROOT
from cron.settings.tree import Settings
from gateway.app import create_app

FILE = PROJECT_ROOT / "gateway" / "static" / "freshet-api.d.ts"
WIDTH = 100
_HEAD = """\
// The bodies and answers of the gateway's calls, written from its OpenAPI by:
// python -m tests.architecture.typescript
"""
_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_NAME = re.compile(r"[A-Za-z_$][\w$]*")

Schema = Mapping[str, object]


def api_types() -> str:
    """Return the file: an interface for each body and answer, and `Calls`, which pairs them."""
    document = create_app(Settings()).openapi()
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    parts = [_interface(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join([_HEAD, *parts, _calls(document["paths"])])


def _interface(name: str, schema: Schema) -> str:
    lines = [*_comment(schema, ""), f"export interface {name} {{"]
    required = cast("list[str]", schema.get("required", []))
    for field, described in _children(schema, "properties"):
        mark = "" if field in required else "?"
        lines += [*_comment(described, "  "), f"  {_key(field)}{mark}: {_type(described)};"]
    return "\n".join([*lines, "}", ""])


def _calls(paths: Mapping[str, Mapping[str, Schema]]) -> str:
    lines = [
        "/** Each call's query parameters, body and answer, where it has them. */",
        "export interface Calls {",
    ]
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            lines.append(f'  "{method.upper()} {path}": {{')
            lines += [f"    {name}: {text};" for name, text in _parts(operation)]
            lines.append("  };")
    return "\n".join([*lines, "}", ""])


def _parts(operation: Schema) -> Iterator[tuple[str, str]]:
    """Yield the types of a call's query, body and answer."""
    parameters = cast("list[Schema]", operation.get("parameters", []))
    query = [one for one in parameters if one["in"] == "query"]
    if query:
        fields = [f"{_key(str(one['name']))}?: {_type(_child(one, 'schema'))}" for one in query]
        yield "query", f"{{ {'; '.join(fields)} }}"
    if "requestBody" in operation:
        yield "body", _content_type(_child(operation, "requestBody"))
    for status, answer in _children(operation, "responses"):
        if status.startswith("2") and "content" in answer:
            yield "answer", _content_type(answer)
            return


def _content_type(described: Schema) -> str:
    contents = dict(_children(described, "content"))
    content = contents.get("application/json", next(iter(contents.values())))
    return _type(_child(content, "schema"))


def _type(schema: Schema) -> str:
    """Return a schema's type; `unknown` for one that says nothing."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in cast("list[object]", schema["enum"]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _union(cast("list[Schema]", schema[several]))
    match schema.get("type"):
        case "array":
            return _array(schema)
        case "object":
            values = schema.get("additionalProperties", True)
            return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
        case None:
            return "unknown"
        case kind:
            return _PLAIN[str(kind)]


def _union(schemas: list[Schema]) -> str:
    # `unknown` beside others would swallow them
    types = list(dict.fromkeys(_type(one) for one in schemas))
    return "unknown" if "unknown" in types else " | ".join(types)


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        places = cast("list[Schema]", schema["prefixItems"])
        return f"[{', '.join(_type(one) for one in places)}]"
    element = _type(_child(schema, "items")) if schema.get("items") else "unknown"
    return f"({element})[]" if " | " in element else f"{element}[]"


def _comment(schema: Schema, indent: str) -> list[str]:
    text = " ".join(str(schema.get("description", "")).replace("*/", "* /").split())
    if not text:
        return []
    if len(indent) + len(text) + 7 <= WIDTH:
        return [f"{indent}/** {text} */"]
    lines = textwrap.wrap(text, WIDTH - len(indent) - 3, break_long_words=False)
    return [f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"]


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _child(parent: Schema, name: str) -> Schema:
    return cast("Schema", parent[name])


def _children(parent: Schema, name: str) -> Iterator[tuple[str, Schema]]:
    yield from cast("Mapping[str, Schema]", parent.get(name, {})).items()


if __name__ == "__main__":
    FILE.write_text(api_types(), encoding="utf-8")
