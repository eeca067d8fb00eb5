"""Makes a text as short as a service takes; pure. What is longer it refuses each time, so that nobody would be told."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable

from frostline_cloud.notify.texts import Text

_LINE_END = "\r\n"  # what the library may put between two lines
_SIGN = "…"


def utf8_size(text: str) -> int:
    """Bytes of a text as UTF-8."""
    return len(text.encode())


def json_size(text: str) -> int:
    """Bytes of a text in a request of the library: JSON in ASCII, six bytes for a Chinese character."""
    return len(json.dumps(text)) - 2


def fitted(text: Text, most_bytes: int, more: str, size: Callable[[str], int] = utf8_size) -> Text:
    """Leaves out lines at the end; the last line then says how many.

    Args:
        text: What is told; its beginning matters most.
        most_bytes: Of subject and body together, at least 100.
        more: Words after the number of lines that were left out.
        size: Bytes of a text; no text is smaller than its beginning.
    """

    def with_end(line: str) -> int:
        return size(line) + size(_LINE_END)

    subject = _cut(text.subject, most_bytes // 2, size)
    left = most_bytes - with_end(subject)
    lines = text.body.split("\n")
    if sum(map(with_end, lines)) <= left:
        return Text(subject, text.body)
    left -= with_end(f"{_SIGN} {len(lines)} {more}")
    kept: list[str] = []
    for line in lines:
        if with_end(line) > left:
            break
        kept.append(line)
        left -= with_end(line)
    if not kept:
        kept.append(_cut(lines[0], max(0, left - size(_LINE_END)), size))
    rest = len(lines) - len(kept)
    return Text(subject, "\n".join([*kept, f"{_SIGN} {rest} {more}"] if rest else kept))


def _cut(line: str, most_bytes: int, size: Callable[[str], int]) -> str:
    if size(line) <= most_bytes:
        return line
    most = most_bytes - size(_SIGN)
    kept = bisect_right(range(len(line)), most, key=lambda length: size(line[:length])) - 1
    return line[: max(0, kept)] + _SIGN
