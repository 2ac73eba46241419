"""The TypeScript types of the API are those of its OpenAPI."""

from __future__ import annotations

import re

from cron.project_root import PROJECT_ROOT
from tests.architecture.typescript import FILE, api_types

SNIPPET_TYPES = PROJECT_ROOT / "gateway" / "static" / "freshet.d.ts"


def test_the_types_are_those_of_the_openapi_document() -> None:
    assert FILE.read_text(encoding="utf-8") == api_types(), (
        "run: python -m tests.architecture.typescript"
    )


def test_fields_keep_their_names_types_and_optionality() -> None:
    found = api_types()
    assert "export interface RankedItem {" in found
    names = '"greedy" | "epsilon" | "plackett_luce" | "thompson" | "ucb" | "interleaved"'
    assert f"  policy?: {names};" in found
    assert "  history?: (string | number | HistoryElementBody)[] | null;" in found
    assert "    body: EventBody | EventBody[];\n    answer: RecordsAnswer;" in found


def test_the_snippets_types_name_types_of_the_api() -> None:
    imports = re.search(r"import type \{(.*?)\}", SNIPPET_TYPES.read_text(encoding="utf-8"), re.S)
    assert imports is not None
    for name in re.findall(r"\w+", imports[1]):
        assert f"export interface {name} {{" in api_types()
