"""The outermost layer, by itself."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from frostline_cloud.api.border import Border

SCOPE: Scope = {"type": "http", "scheme": "http", "path": "/", "method": "GET", "headers": []}


async def serve(*, gone: bool, answered: bool) -> list[Message]:
    """An application that fails, for a caller that has gone or has not."""
    sent: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if answered:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("No response returned.")

    async def receive() -> Message:
        return {"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await Border(app)(SCOPE, receive, send)
    return sent


async def test_a_caller_that_has_gone_before_an_answer_is_no_error() -> None:
    assert await serve(gone=True, answered=False) == []


@pytest.mark.parametrize(("gone", "answered"), [(False, False), (False, True), (True, True)])
async def test_any_other_failure_goes_on_to_the_log(gone: bool, answered: bool) -> None:
    with pytest.raises(RuntimeError, match="No response"):
        await serve(gone=gone, answered=answered)
