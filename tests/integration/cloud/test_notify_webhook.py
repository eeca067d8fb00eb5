"""What a webhook is sent to, and what it may answer: redirects, addresses inside, endless bodies, certificates."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from frostline_cloud.notify.receivers.webhook import Webhook
from tests.support.hook import Answer, Hook
from tests.support.notices import certificate
from tests.support.post import FIRES, Post, once


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "hooks.example")


async def test_a_redirect_is_not_followed(post: Post) -> None:
    post.tell(FIRES)
    with Hook() as inside, Hook(Answer(307, {"location": f"http://127.0.0.1:{inside.port}/"})) as hook:
        await once(post.worker(post.receiver(hook)))

    assert inside.requests == []
    assert post.states() == [("firing", "waiting")]


async def test_an_address_inside_is_not_called_unless_allowed(post: Post) -> None:
    post.tell(FIRES)
    with Hook() as hook:
        await once(post.worker(post.receiver(hook, url=f"https://localhost:{hook.port}/", allow=[])))

    assert hook.requests == []
    assert "a loopback address" in post.attempts()[0][1]


async def test_an_endless_complaint_is_read_only_so_far(post: Post) -> None:
    post.tell(FIRES)
    with Hook(Answer(500, body=b"x" * 65536, endless=True)) as hook:
        await once(post.worker(post.receiver(hook)))

    ((status, error),) = post.attempts()
    assert status == 500
    assert len(error) < 300


async def test_an_endless_thank_you_is_delivered(post: Post) -> None:
    post.tell(FIRES)
    with Hook(Answer(200, body=b"x" * 65536, endless=True)) as hook:
        await once(post.worker(post.receiver(hook)))

    assert post.states() == [("firing", "delivered")]


@pytest.mark.parametrize(("host", "delivered"), [("hooks.example", True), ("other.example", False)])
async def test_the_name_stays_in_host_and_certificate_though_the_address_is_pinned(
    post: Post,
    pem: Path,
    host: str,
    delivered: bool,
) -> None:
    post.tell(FIRES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    looked_up = []

    async def lookup(name: str, port: int) -> Sequence[str]:
        looked_up.append(name)
        return ["127.0.0.1"]

    with Hook(tls=context) as hook:
        config = post.receiver(hook, url=f"https://{host}:{hook.port}/x", ca_file=str(pem))
        await once(post.worker(Webhook(config, lookup)))

    assert looked_up == [host]
    assert [request.headers["host"] for request in hook.requests] == [f"{host}:{hook.port}"] * delivered
    assert ("CERTIFICATE_VERIFY_FAILED" in post.attempts()[0][1]) is not delivered
