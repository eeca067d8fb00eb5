"""A post office: notify on SQLite with webhooks over HTTP, and a clock that passes when the test says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import Engine, select

from frostline_cloud.alerts import record
from frostline_cloud.notify import NotifyWorker, Plan
from frostline_cloud.notify.receivers.webhook import Webhook, WebhookConfig
from frostline_cloud.notify.receivers.webhook.signature import new_secret
from frostline_cloud.sql.tables import delivery, outbox
from frostline_core.config import parse
from frostline_core.rules import WORSE, Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule
from tests.support.hook import Hook

NOW = 1_700_000_000_000
HOUR = 3_600_000
SECRET = new_secret()
FIRES, WORSENS, ENDS = (Phase.OK, Phase.FIRING), (Phase.FIRING, Phase.FIRING), (Phase.FIRING, Phase.RESOLVED)
_RULE = {"type": "threshold", "id": "warm", "title": "Too warm", "severity": "critical", "select": {"metric": "*"}}
WARM = RuleSet.of([parse_rule({**_RULE, "above": -15}, "test")])


@dataclass(slots=True)
class Post:
    """SQL, a folder for secrets, and the clock."""

    engine: Engine
    folder: Path
    now: int = NOW

    def receiver(self, hook: Hook, **keys: object) -> WebhookConfig:
        """The table of a receiver that is a hook of the test."""
        (self.folder / "secret").write_text(SECRET)
        url = f"http://127.0.0.1:{hook.port}/alerts"
        table = {"name": "ops", "url": url, "secret": f"${{file:{self.folder}/secret}}", "allow": ["127.0.0.0/8"]}
        return parse({**table, **keys}, WebhookConfig, "test")

    def worker(self, *receivers: WebhookConfig | Webhook, plan: Plan | None = None) -> NotifyWorker:
        """A worker on this SQL and clock."""
        return NotifyWorker(self.engine, receivers, lambda: self.now, Random(1), plan=plan)  # noqa: S311 - jitter

    def tell(self, *changes: tuple[Phase, Phase], device: str = "room-1", to: Sequence[str] = ("ops",)) -> None:
        """A device's alert changes; news for `to` is written."""
        series = Series("hamburg", "gw-1", device, "cold_room", "", "air_temperature")
        steps = [
            Transition("warm", series, before, after, NOW, -5.0, -15.0, WORSE if before is after else "")
            for before, after in changes
        ]
        with self.engine.begin() as connection:
            record(connection, steps, WARM, to, NOW)

    def states(self) -> list[tuple[str, str]]:
        """Type and state of each row of the outbox."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(outbox).order_by(outbox.c.revision, outbox.c.receiver))
            return [(row.type.removeprefix("alert."), row.state) for row in rows]

    def attempts(self) -> list[tuple[int | None, str]]:
        """Status and error of each attempt."""
        with self.engine.connect() as connection:
            return [(row.status, row.error) for row in connection.execute(select(delivery).order_by(delivery.c.id))]


async def once(notify: NotifyWorker) -> None:
    """Works off what is due, and closes."""
    await notify.run_once()
    await notify.close()
