"""The notify worker, with real receivers over HTTP and a real outbox."""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from threading import Event

import pytest
from sqlalchemy import Engine, select, text

from frostline_cloud.alerts import record
from frostline_cloud.notify import NotifyWorker
from frostline_cloud.notify.dead_letters import revive
from frostline_cloud.notify.health import enable
from frostline_cloud.notify.receivers.webhook import Webhook, WebhookConfig, verify
from frostline_cloud.notify.receivers.webhook.signature import new_secret
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import delivery, metadata, outbox
from frostline_core.config import parse
from frostline_core.rules import WORSE, Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule
from tests.support.hook import Answer, Hook
from tests.support.services import eventually_async

NOW = 1_700_000_000_000
HOUR = 3_600_000
SECRET = new_secret()
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature")
_RULE = {"type": "threshold", "id": "warm", "title": "Too warm", "severity": "critical", "select": {"metric": "*"}}
WARM = RuleSet.of([parse_rule({**_RULE, "above": -15}, "test")])


class Clock:
    """Milliseconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver(tmp_path: Path) -> Callable[..., WebhookConfig]:
    (tmp_path / "secret").write_text(SECRET)

    def make(hook: Hook, **keys: object) -> WebhookConfig:
        url = f"http://127.0.0.1:{hook.port}/alerts"
        table = {"name": "ops", "url": url, "secret": f"${{file:{tmp_path}/secret}}", "allow": ["127.0.0.0/8"]}
        return parse({**table, **keys}, WebhookConfig, "test")

    return make


def worker(engine: Engine, clock: Clock, *receivers: WebhookConfig | Webhook) -> NotifyWorker:
    return NotifyWorker(engine, receivers, clock, Random(1))  # noqa: S311 - jitter


def tell(engine: Engine, *changes: tuple[Phase, Phase], device: str = "room-1", to: Sequence[str] = ("ops",)) -> None:
    series = Series("hamburg", "gw-1", device, "cold_room", "", "air_temperature")
    noted = [WORSE if before is after else "" for before, after in changes]
    steps = [
        Transition("warm", series, before, after, NOW, -5.0, -15.0, note)
        for (before, after), note in zip(changes, noted, strict=True)
    ]
    with engine.begin() as connection:
        record(connection, steps, WARM, to, NOW)


FIRES = (Phase.OK, Phase.FIRING)
WORSENS = (Phase.FIRING, Phase.FIRING)
ENDS = (Phase.FIRING, Phase.RESOLVED)


def states(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.revision, outbox.c.receiver))
        return [(row.type.removeprefix("alert."), row.state) for row in rows]


def attempts(engine: Engine) -> list[tuple[int | None, str]]:
    with engine.connect() as connection:
        return [(row.status, row.error) for row in connection.execute(select(delivery).order_by(delivery.c.id))]


async def once(notify: NotifyWorker) -> None:
    await notify.run_once()
    await notify.close()


async def test_a_notification_is_delivered_and_genuine(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook() as hook:
        await once(worker(engine, clock, receiver(hook)))

    (request,) = hook.requests
    verify(request.headers, request.body, [SECRET], NOW // 1000)
    assert (request.path, request.content["type"], request.content["id"]) == ("/alerts", "alert.firing", request.id)
    assert states(engine) == [("firing", "delivered")]
    assert attempts(engine) == [(204, "")]


async def test_a_failure_is_tried_again_with_the_same_id_and_body(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(500, body=b"out of order")) as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        assert await notify.run_once() == 0
        clock.now += 6_000
        await once(notify)

    assert [request.id for request in hook.requests] == [hook.requests[0].id] * 2
    assert hook.requests[0].body == hook.requests[1].body
    assert hook.requests[0].headers["webhook-timestamp"] != hook.requests[1].headers["webhook-timestamp"]
    assert attempts(engine) == [(500, "HTTP 500 out of order"), (204, "")]
    assert notify.counters()["delivered"] == 1


async def test_a_receiver_may_ask_for_a_later_attempt(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(429, {"retry-after": "120"})) as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        clock.now += 119_000
        assert await notify.run_once() == 0
        clock.now += 2_000
        await once(notify)

    assert states(engine) == [("firing", "delivered")]


async def test_a_hung_receiver_times_out_and_holds_up_no_other(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES, to=["slow", "ops"])
    never = Event()
    with Hook(Answer(wait=never)) as slow, Hook() as quick:
        notify = worker(engine, clock, receiver(slow, name="slow", timeout_s=2), receiver(quick))
        working = asyncio.create_task(notify.run_once())
        await eventually_async(lambda: notify.counters()["delivered"] == 1)
        assert not working.done()
        await working
        await notify.close()
        never.set()

    assert states(engine) == [("firing", "delivered"), ("firing", "waiting")]
    assert (None, "no answer within 2 s") in attempts(engine)


async def test_a_receiver_that_is_gone_is_left_alone_over_a_restart_too(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig], caplog: pytest.LogCaptureFixture
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(410)) as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        tell(engine, FIRES, device="room-2")
        clock.now += HOUR
        assert await notify.run_once() == 0
        await once(worker(engine, clock, receiver(hook)))

    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert len(hook.requests) == 1


async def test_a_receiver_that_was_gone_is_told_again_once_it_is_enabled(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(410)) as hook:
        await once(worker(engine, clock, receiver(hook)))
        with engine.begin() as connection:
            assert enable(connection, "ops")
        clock.now += HOUR
        await once(worker(engine, clock, receiver(hook)))

    assert states(engine) == [("firing", "delivered")]


async def test_a_receiver_that_was_gone_is_told_at_another_address(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(410)) as before, Hook() as after:
        await once(worker(engine, clock, receiver(before)))
        clock.now += HOUR
        await once(worker(engine, clock, receiver(after)))

    assert after.types == ["alert.firing"]


async def test_a_redirect_is_not_followed(engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]) -> None:
    tell(engine, FIRES)
    with Hook() as inside, Hook(Answer(307, {"location": f"http://127.0.0.1:{inside.port}/"})) as hook:
        await once(worker(engine, clock, receiver(hook)))

    assert inside.requests == []
    assert states(engine) == [("firing", "waiting")]


async def test_an_address_inside_is_not_called_unless_allowed(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook() as hook:
        await once(worker(engine, clock, receiver(hook, url=f"https://localhost:{hook.port}/", allow=[])))

    assert hook.requests == []
    assert "a loopback address" in attempts(engine)[0][1]


async def test_an_endless_complaint_is_read_only_so_far(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(500, body=b"x" * 65536, endless=True)) as hook:
        await once(worker(engine, clock, receiver(hook)))

    ((status, error),) = attempts(engine)
    assert status == 500
    assert len(error) < 300


async def test_an_endless_thank_you_is_delivered(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook(Answer(200, body=b"x" * 65536, endless=True)) as hook:
        await once(worker(engine, clock, receiver(hook)))

    assert states(engine) == [("firing", "delivered")]


async def test_a_receiver_that_is_down_is_tried_again(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook() as hook:
        config = receiver(hook)
    await once(worker(engine, clock, config))

    assert states(engine) == [("firing", "waiting")]
    assert "ConnectError" in attempts(engine)[0][1]


async def test_what_was_under_way_when_the_worker_died_is_sent_again_with_the_same_id(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    held = Event()
    with Hook(Answer(wait=held)) as hook:
        first = worker(engine, clock, receiver(hook))
        dying = asyncio.create_task(first.run_once())
        await eventually_async(lambda: hook.requests)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await first.close()
        held.set()
        second = worker(engine, clock, receiver(hook))
        assert await second.run_once() == 0  # the lease still holds
        clock.now += 41_000
        await once(second)

    assert [request.id for request in hook.requests] == [hook.requests[0].id] * 2
    assert states(engine) == [("firing", "delivered")]


async def test_two_workers_send_each_notification_once(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    for number in range(12):
        tell(engine, FIRES, device=f"room-{number}")
    with Hook() as hook:
        pair = [worker(engine, clock, receiver(hook)) for _ in range(2)]
        while sum(await asyncio.gather(*(each.run_once() for each in pair))):
            pass
        for each in pair:
            await each.close()

    assert len({request.id for request in hook.requests}) == len(hook.requests) == 12


async def test_after_a_day_a_notification_is_dead_and_the_log_says_so(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig], caplog: pytest.LogCaptureFixture
) -> None:
    tell(engine, FIRES)
    with Hook(*(Answer(500) for _ in range(1000))) as hook:
        notify = worker(engine, clock, receiver(hook))
        while states(engine) == [("firing", "waiting")]:
            clock.now += 60_000
            await notify.run_once()
        await notify.close()

    assert 24 * HOUR <= clock.now - NOW <= 25 * HOUR
    assert 90 <= len(hook.requests) <= 140
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def test_what_was_given_up_can_be_sent_again(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    clock.now += 25 * HOUR
    with Hook(Answer(500)) as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        assert states(engine) == [("firing", "dead")]
        with engine.begin() as connection:
            assert revive(connection, clock.now, "ops") == 1
        await once(notify)

    assert states(engine) == [("firing", "delivered")]


async def test_what_was_given_up_and_overtaken_stays_so(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    clock.now += 25 * HOUR
    with Hook(Answer(500)) as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        tell(engine, ENDS)
        await once(notify)

    with engine.begin() as connection:
        assert revive(connection, clock.now) == 0


async def test_resolved_waits_until_firing_was_delivered(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    held = Event()
    with Hook(Answer(wait=held)) as hook:
        notify, other = worker(engine, clock, receiver(hook)), worker(engine, clock, receiver(hook))
        working = asyncio.create_task(notify.run_once())
        await eventually_async(lambda: hook.requests)
        tell(engine, ENDS)
        assert await other.run_once() == 0
        held.set()
        await working
        await notify.run_once()
        await notify.close()
        await other.close()

    assert hook.types == ["alert.firing", "alert.resolved"]


async def test_a_firing_that_is_over_before_it_was_delivered_is_collapsed(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES, WORSENS)
    with Hook(Answer(500)) as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        tell(engine, ENDS)
        clock.now += 10_000
        await once(notify)

    assert hook.types == ["alert.firing", "alert.resolved"]
    assert states(engine) == [("firing", "collapsed"), ("updated", "collapsed"), ("resolved", "delivered")]
    assert hook.requests[1].content["incident"]["fired_at"] is not None


async def test_of_several_updates_only_the_newest_is_sent(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES, WORSENS, WORSENS, WORSENS)
    with Hook() as hook:
        notify = worker(engine, clock, receiver(hook))
        await notify.run_once()
        await once(notify)

    assert [(request.content["type"], request.content["revision"]) for request in hook.requests] == [
        ("alert.firing", 1),
        ("alert.updated", 4),
    ]


async def test_a_receiver_gets_only_the_types_it_wants(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES, ENDS)
    with Hook() as hook:
        notify = worker(engine, clock, receiver(hook, types=["alert.firing"]))
        await notify.run_once()
        await once(notify)

    assert hook.types == ["alert.firing"]
    assert states(engine) == [("firing", "delivered"), ("resolved", "skipped")]


async def test_a_receiver_gets_only_the_severities_it_wants(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    tell(engine, FIRES)
    with Hook() as hook:
        await once(worker(engine, clock, receiver(hook, severities=["info", "warning"])))

    assert hook.requests == []
    assert states(engine) == [("firing", "skipped")]


async def test_what_nobody_serves_is_given_up_after_a_day(
    engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tell(engine, FIRES, to=["removed"])
    clock.now += 25 * HOUR
    running = asyncio.create_task(worker(engine, clock).run())
    await eventually_async(lambda: states(engine) == [("firing", "dead")])
    await eventually_async(lambda: "were given up" in caplog.text)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_running_worker_picks_up_what_comes(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig]
) -> None:
    with Hook() as hook:
        running = asyncio.create_task(worker(engine, clock, receiver(hook)).run())
        tell(engine, FIRES)
        await eventually_async(lambda: states(engine) == [("firing", "delivered")])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert hook.types == ["alert.firing"]


async def test_an_outage_of_sql_is_said_once_and_waited_out(
    engine: Engine, clock: Clock, receiver: Callable[..., WebhookConfig], caplog: pytest.LogCaptureFixture
) -> None:
    tell(engine, FIRES)
    _rename(engine, "outbox", "elsewhere")
    with Hook() as hook:
        running = asyncio.create_task(worker(engine, clock, receiver(hook)).run())
        await eventually_async(lambda: "cannot read the outbox" in caplog.text)
        _rename(engine, "elsewhere", "outbox")
        await eventually_async(lambda: states(engine) == [("firing", "delivered")])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def _rename(engine: Engine, before: str, after: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for hooks.example, and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "both.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-days", "2", "-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"]
    subprocess.run(
        [*request, *name, "-keyout", str(made), "-out", str(folder / "c.pem")], check=True, capture_output=True
    )
    made.write_text(made.read_text() + (folder / "c.pem").read_text())
    return made


@pytest.mark.parametrize(("host", "delivered"), [("hooks.example", True), ("other.example", False)])
async def test_the_name_stays_in_host_and_certificate_though_the_address_is_pinned(
    engine: Engine,
    clock: Clock,
    receiver: Callable[..., WebhookConfig],
    certificate: Path,
    host: str,
    delivered: bool,
) -> None:
    tell(engine, FIRES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    looked_up = []

    async def lookup(name: str, port: int) -> Sequence[str]:
        looked_up.append(name)
        return ["127.0.0.1"]

    with Hook(tls=context) as hook:
        config = receiver(hook, url=f"https://{host}:{hook.port}/x", ca_file=str(certificate))
        await once(worker(engine, clock, Webhook(config, lookup)))

    assert looked_up == [host]
    assert [request.headers["host"] for request in hook.requests] == [f"{host}:{hook.port}"] * delivered
    assert ("CERTIFICATE_VERIFY_FAILED" in attempts(engine)[0][1]) is not delivered
