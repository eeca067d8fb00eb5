"""Makes a text as short as a service takes; pure. What is longer it refuses each time, so that nobody would be told."""

from __future__ import annotations

from frostline_cloud.notify.texts import Text

_LINE_END = 2  # bytes that the library may put between two lines
_SIGN = "…"


def fitted(text: Text, most_bytes: int, more: str) -> Text:
    """Leaves out lines at the end; the last line then says how many.

    Args:
        text: What is told; its beginning matters most.
        most_bytes: Of subject and body together as UTF-8, at least 100.
        more: Words after the number of lines that were left out.
    """
    subject = _cut(text.subject, most_bytes // 2)
    left = most_bytes - _size(subject)
    lines = text.body.split("\n")
    if sum(map(_size, lines)) <= left:
        return Text(subject, text.body)
    left -= _size(f"{_SIGN} {len(lines)} {more}")
    kept: list[str] = []
    for line in lines:
        if _size(line) > left:
            break
        kept.append(line)
        left -= _size(line)
    if not kept:
        kept.append(_cut(lines[0], max(0, left - _LINE_END)))
    rest = len(lines) - len(kept)
    return Text(subject, "\n".join([*kept, f"{_SIGN} {rest} {more}"] if rest else kept))


def _size(line: str) -> int:
    return len(line.encode()) + _LINE_END


def _cut(line: str, most_bytes: int) -> str:
    data = line.encode()
    if len(data) <= most_bytes:
        return line
    return data[: max(0, most_bytes - len(_SIGN.encode()))].decode("utf-8", "ignore") + _SIGN
