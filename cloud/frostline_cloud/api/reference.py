"""The API reference as one plain page, made from the OpenAPI document: no script, nothing from the internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;
--line:color-mix(in srgb,currentColor 18%,transparent);--soft:color-mix(in srgb,currentColor 62%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.5rem;border-bottom:1px solid var(--line);text-transform:capitalize}
h3{font-size:1rem;margin:1.6rem 0 .2rem;font-family:ui-monospace,monospace}p{margin:.3rem 0;white-space:pre-line}
code{font-family:ui-monospace,monospace;font-size:.92em}table{border-collapse:collapse;width:100%;margin:.5rem 0}
td{border-top:1px solid var(--line);padding:.25rem .5rem .25rem 0;vertical-align:top}td:first-child{width:14rem}
small{color:var(--soft)}summary{cursor:pointer;color:var(--soft)}
"""


def page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    about = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(about['title'])} API</title><style>{_STYLE}</style>",
        f"<h1>{escape(about['title'])} API <small>{escape(about['version'])}</small></h1>",
        f"<p>{_prose(about['description'])}</p>",
        "<p>Send <code>Authorization: Bearer frost_...</code>. The same as a document for programs: "
        "<a href='/api/v1/openapi.json'>openapi.json</a>.</p>",
        *_groups(document),
    ]
    return "".join(parts)


def _groups(document: dict[str, Any]) -> Iterator[str]:
    tag = None
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"<h2>{escape(tag)}</h2>"
            yield from _operation(f"{method.upper()} {path}", operation, document["components"]["schemas"])


def _operation(name: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    yield f"<h3>{escape(name)}</h3><p>{_prose(operation.get('description', operation['summary']))}</p>"
    rows = [
        (each["name"], _type(each["schema"], schemas) + (", required" if each.get("required") else ""), each)
        for each in operation.get("parameters", [])
    ]
    yield _table([(name, kind, each.get("description", "")) for name, kind, each in rows])
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
    if answer:
        yield f"<details><summary>answer: {escape(_type(answer, schemas))}</summary>"
        yield from _fields(answer, schemas, 0)
        yield "</details>"


def _fields(schema: dict[str, Any], schemas: dict[str, Any], depth: int) -> Iterator[str]:
    """The fields of an object, and of the objects in it, three deep."""
    known = _resolved(schema, schemas)
    if depth > 3 or "properties" not in known:
        return
    yield _table(
        [(name, _type(each, schemas), each.get("description", "")) for name, each in known["properties"].items()]
    )
    for name, each in known["properties"].items():
        inner = each.get("items", each)
        if "properties" in _resolved(inner, schemas):
            yield f"<p><small>each of</small> <code>{escape(name)}</code></p>"
            yield from _fields(inner, schemas, depth + 1)


def _table(rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code><br><small>{escape(kind)}</small><td>{_prose(text)}"
        for name, kind, text in rows
    )
    return f"<table>{cells}</table>"


def _prose(text: str) -> str:
    """Text with its `code` marked as such."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    known: dict[str, Any] = schemas[reference.rpartition("/")[2]] if reference else schema
    return known


def _type(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    known = _resolved(schema, schemas)
    if "anyOf" in known:
        kinds = [_type(each, schemas) for each in known["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in known:
        return " | ".join(str(each) for each in known["enum"])
    if known.get("type") == "array":
        return f"list of {_type(known.get('items', {}), schemas)}"
    return str(known.get("title") if "properties" in known else known.get("type", "any"))
