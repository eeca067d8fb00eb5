"""What chat services answer: Apprise looks at the HTTP status alone, and some services say 200 and "no" in the body.

Apprise calls `requests.post` or `requests.request` and keeps the answer to itself, so that its plug-in's module gets a
`requests` that also notes the answer, for the thread that sends.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

MOST_BYTES: Final = 64 * 1024
"""A longer answer is not looked into."""

_CODES: Final = ("errcode", "code", "StatusCode")
"""Where WeCom and DingTalk (`errcode`) and Feishu (`code`, formerly `StatusCode`) say how it went; 0 is well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: HTTP status and body."""

    status: int
    body: bytes

    @property
    def fault(self) -> str:
        """What the body says went wrong; "" where it says nothing of the kind.

        A body that is nested too deeply to be read is wrong: nobody knows whether the message was taken.
        """
        try:
            said = json.loads(self.body) if len(self.body) <= MOST_BYTES else None
        except ValueError:
            return ""
        except RecursionError:
            return "an answer that is nested too deeply to be read"
        if not isinstance(said, dict):
            return ""
        for name in _CODES:
            if isinstance(said.get(name), int) and said[name] != 0:
                return f"{name} {said[name]}: {said.get('errmsg') or said.get('msg') or 'no reason given'}"
        return ""


class Ear:
    """Notes the answers that a plug-in's module gets, for each thread the newest."""

    def __init__(self) -> None:
        self._local = threading.local()

    def listen(self, module_name: str) -> None:
        """Listens to a module that says `requests.post`."""
        module = sys.modules[module_name]
        inner = getattr(module, "requests", None)
        if inner is not None:
            module.requests = _Heard(inner, self)  # type: ignore[attr-defined]  # the module's own name for it

    def forget(self) -> None:
        """Before a message is sent."""
        self._local.answer = None

    def note(self, answer: Answer) -> None:
        """An answer came on this thread."""
        self._local.answer = answer

    @property
    def newest(self) -> Answer | None:
        """The answer to what this thread sent; None where none came."""
        found: Answer | None = getattr(self._local, "answer", None)
        return found


class _Heard:
    """A `requests` whose `post` and `request` tell an ear; everything else is as it was."""

    def __init__(self, inner: ModuleType | _Heard, ear: Ear) -> None:
        self._inner, self._ear = inner, ear

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def post(self, *args: Any, **keys: Any) -> Any:
        return self._noted(self._inner.post(*args, **keys))

    def request(self, *args: Any, **keys: Any) -> Any:
        return self._noted(self._inner.request(*args, **keys))

    def _noted(self, answer: Any) -> Any:
        self._ear.note(Answer(answer.status_code, answer.content))
        return answer
