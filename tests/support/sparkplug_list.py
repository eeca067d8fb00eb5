"""Which assertions of the Sparkplug specification our tests prove, and the list of them in docs/sparkplug.md.

A test proves an assertion by its name, whose parts after a double underscore are ids (`-` as `_`, `tck-id-` left off),
or by a table of checks that runs one test for each id: the arguments of `_prove`. The list is written anew by
`python -m tests.support.sparkplug_list`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "sparkplug.md"
IDS = Path(__file__).with_name("sparkplug_assertions.txt")
_LIST = "<!-- proved -->\n"
_ROW = re.compile(r"^\| `([A-Za-z0-9-]+)` \| (.+) \|$", re.MULTILINE)


def assertions() -> list[str]:
    """Every id of the checklist."""
    return IDS.read_text(encoding="utf-8").split()


@cache
def claims() -> Mapping[str, frozenset[str]]:
    """The test files that prove an id, by id; ids of `_prove` as they stand, those of names if they are known."""
    known = {each.lower().replace("-", "_"): each for each in assertions()}
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for claimed in _claimed(ast.parse(path.read_text(encoding="utf-8"))):
            name = known.get(claimed.lower().replace("-", "_"), claimed)
            found.setdefault(name, set()).add(path.relative_to(ROOT / "tests").as_posix())
    return {name: frozenset(files) for name, files in found.items()}


def exceptions() -> dict[str, str]:
    """The ids that the document says are not proved, with the reason."""
    return dict(_ROW.findall(DOCUMENT.read_text(encoding="utf-8").partition(_LIST)[0]))


def listed() -> str:
    """The list as the document has it."""
    return DOCUMENT.read_text(encoding="utf-8").partition(_LIST)[2]


def proved() -> str:
    """The list as it should be."""
    excepted, proofs = exceptions(), claims()
    rows = [
        f"| `{each}` | {', '.join(f'`{file}`' for file in sorted(proofs.get(each, ())))} |"
        for each in assertions()
        if each not in excepted
    ]
    return "\n".join(["", "| assertion | proved by, in `tests/` |", "|---|---|", *rows, ""])


def _claimed(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from (part for part in node.name.split("__")[1:] if part)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_prove":
            for argument in node.args[1:]:
                assert isinstance(argument, ast.Constant), "ids are written out, so that they can be found"
                yield str(argument.value)


if __name__ == "__main__":
    before = DOCUMENT.read_text(encoding="utf-8").partition(_LIST)[0]
    DOCUMENT.write_text(before + _LIST + proved(), encoding="utf-8")
