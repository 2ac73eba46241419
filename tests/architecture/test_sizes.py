"""Limits on the tail: no long file, no long or deep function, nothing at import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import Function, display_path, functions, python_files, syntax_tree

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6
MAX_NESTING = 3
FILES = python_files()
BLOCKS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)

# Calls that have effects outside the module when they stand at its top level.
EFFECTS = {
    *("basicConfig", "filterwarnings", "simplefilter", "print"),
    *("getenv", "load_settings", "open", "mkdir", "read_text", "write_text"),
    *("connect", "create_engine", "Popen", "run", "signal", "Thread"),
    *("is_available", "manual_seed", "seed", "set_num_threads"),
}

READINGS = ("read_text()", "load_settings()")


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_a_file_is_short_and_says_what_it_is(file: Path) -> None:
    num_lines = len(file.read_text().splitlines())
    assert num_lines <= MAX_FILE_LINES, (
        f"{display_path(file)} has {num_lines} lines; one concept a file"
    )
    if syntax_tree(file).body:
        assert ast.get_docstring(syntax_tree(file)), (
            f"{display_path(file)} has no docstring: what is it, and what doesn't it know?"
        )


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_functions_are_short_shallow_and_take_few_parameters(file: Path) -> None:
    wrong = [
        f"{display_path(file)}:{function.lineno} {function.name}: {why}"
        for function in functions(syntax_tree(file))
        for why in _faults(function)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_nothing_happens_at_import(file: Path) -> None:
    is_test = file.name.startswith("test_")  # it may read the project's files to know its cases
    wrong = [
        f"{display_path(file)}:{line} {what}"
        for line, what in _effects(syntax_tree(file).body)
        if not (is_test and what in READINGS)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_limits_bite() -> None:
    deep = (
        "def deep(a, b, c, d, e, f, g):\n"
        " if a:\n  for b in c:\n   while d:\n    with e:\n     pass\n" + " x = 1\n" * 60
    )
    (function,) = functions(ast.parse(deep))
    assert len(list(_faults(function))) == 3
    branches = "".join(f" elif a == {number}:\n  pass\n" for number in (2, 3, 4))
    chain = f"def chain(a):\n if a == 1:\n  pass\n{branches}"
    (function,) = functions(ast.parse(chain))
    assert not list(_faults(function))
    assert list(
        _effects(ast.parse("import os\nX = os.environ['A']\nlogging.basicConfig()\n").body)
    ) == [
        (2, "reads the environment"),
        (3, "basicConfig()"),
    ]


def _faults(function: Function) -> Iterator[str]:
    assert function.end_lineno is not None
    num_lines = function.end_lineno - function.lineno + 1
    if num_lines > MAX_FUNCTION_LINES:
        yield f"{num_lines} lines, at most {MAX_FUNCTION_LINES}"
    arguments = function.args
    named = [
        one
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        if one.arg not in ("self", "cls")
    ]
    if len(named) > MAX_PARAMETERS and not _is_test(function):
        yield f"{len(named)} parameters, at most {MAX_PARAMETERS}"
    depth = _depth(function.body)
    if depth > MAX_NESTING:
        yield f"blocks nested {depth} deep, at most {MAX_NESTING}"


def _is_test(function: Function) -> bool:
    return function.name.startswith("test_")  # a test names the fixtures it needs


def _depth(body: list[ast.stmt]) -> int:
    """Return how deep blocks are nested; an `elif` counts like its `if`."""
    return max((_depth_of(statement) for statement in body), default=0)


def _depth_of(statement: ast.stmt) -> int:
    if (
        isinstance(statement, ast.If)
        and len(statement.orelse) == 1
        and isinstance(statement.orelse[0], ast.If)
    ):
        return max(1 + _depth(statement.body), _depth_of(statement.orelse[0]))
    if not isinstance(statement, BLOCKS):
        return 0
    inner = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    inner += [
        part.body
        for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", []))
    ]
    return 1 + max(_depth(body) for body in inner)


def _effects(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    for statement in body:
        if isinstance(
            statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)
        ) or _is_main(statement):
            continue
        if isinstance(statement, ast.ClassDef):
            yield from _effects(statement.body)
            continue
        for node in _nodes_run_at_import(statement):
            if isinstance(node, ast.Attribute) and node.attr == "environ":
                yield node.lineno, "reads the environment"
            elif isinstance(node, ast.Call) and (name := _called_name(node)) in EFFECTS:
                yield node.lineno, f"{name}()"


def _is_main(statement: ast.stmt) -> bool:
    """Return whether the statement is `if __name__ == "__main__"` or `if TYPE_CHECKING`."""
    if not isinstance(statement, ast.If):
        return False
    names = {node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)}
    return bool(names & {"__name__", "TYPE_CHECKING"})


def _nodes_run_at_import(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the nodes that run at import: not the bodies of lambdas."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _called_name(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
