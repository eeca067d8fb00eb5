"""From the config to the worker, and what is wrong with the config before that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from frostline_cloud.notify import routing
from frostline_cloud.notify.config import CanaryConfig, NotifyConfig, ReceiverConfig
from frostline_cloud.notify.links import Links, link_key
from frostline_cloud.notify.oncall import Rotation, RotationConfig, cover
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.receivers.open import open_receiver
from frostline_cloud.notify.routing import RouteConfig
from frostline_cloud.notify.texts import Catalogue
from frostline_cloud.notify.worker import NotifyWorker
from frostline_cloud.sql import translated
from frostline_core.errors import ConfigError

log = logging.getLogger("frostline.notify")


@dataclass(frozen=True, slots=True)
class Tables:
    """What cloud.toml says of notify.

    Attributes:
        receivers: Who can be told.
        routes: Who is told of what.
        notify: Texts and links.
        canary: The canary, if there is one.
        rotations: Who is on call when.
    """

    receivers: Sequence[ReceiverConfig]
    routes: Sequence[RouteConfig]
    notify: NotifyConfig
    canary: CanaryConfig | None = None
    rotations: Sequence[RotationConfig] = ()

    @property
    def plan(self) -> Plan:
        """Who is told of what."""
        fallbacks = tuple((each.name, each.fallback) for each in self.receivers if each.fallback)
        names = tuple(each.name for each in self.receivers)
        rotations = tuple(Rotation.of(each) for each in self.rotations)
        return Plan(names, tuple(self.routes), fallbacks, "" if self.canary is None else self.canary.to, rotations)

    def gaps(self, now_ms: int) -> list[str]:
        """Alerts that nobody gets, hours in which nobody is on call, and what is never used: a sentence each."""
        return routing.gaps(self.routes, now_ms) + cover.gaps(self.plan.rotations, self.routes, now_ms)

    def texts(self) -> Catalogue:
        """Every text, checked.

        Raises:
            ConfigError: Every fault of every file, a line each.
        """
        return Catalogue.read(self.notify.templates, [each.name for each in self.receivers])


def build_notify(tables: Tables, engine: Engine) -> NotifyWorker:
    """The worker.

    Raises:
        ConfigError: A receiver or a text cannot be used.
        UnavailableError: SQL does not answer.
    """
    links = None
    if not tables.notify.public_url and tables.receivers:
        log.warning(
            "notifications carry no links, neither to the alert's page nor to take note: set public_url in [notify]"
        )
    if tables.notify.public_url:
        with translated("sql"), engine.begin() as connection:
            key = link_key(connection)
        links = Links(key, tables.notify.public_url, tables.notify.link_hours)
    return NotifyWorker(engine, tables.receivers, plan=tables.plan, texts=tables.texts(), links=links)


def check_notify(tables: Tables, now_ms: int) -> None:
    """Opens every receiver and looks for alerts that nobody gets, and hours in which nobody is on call.

    Raises:
        ConfigError: Everything that is wrong, a line each.
    """
    faults: list[str] = []
    try:
        texts = tables.texts()
    except ConfigError as error:
        faults.append(str(error))
        texts = Catalogue.read()
    for each in tables.receivers:
        try:
            receiver = open_receiver(each, texts)
        except ConfigError as error:
            faults.append(str(error))
        else:
            asyncio.run(receiver.close())
    faults += tables.gaps(now_ms)
    if faults:
        raise ConfigError("\n".join(faults))
