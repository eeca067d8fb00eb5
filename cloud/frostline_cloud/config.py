"""The cloud's config file: every part brings its own section."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from frostline_cloud.alerts.config import AlertsConfig
from frostline_cloud.api import HttpConfig
from frostline_cloud.ingest.config import BrokerConfig, IngestConfig
from frostline_cloud.notify import (
    UNADDRESSED,
    CanaryConfig,
    NotifyConfig,
    ReceiverConfig,
    RotationConfig,
    RouteConfig,
    Tables,
    faults_of,
)
from frostline_cloud.sql import RetentionConfig, SqlConfig
from frostline_cloud.store import StoreConfig
from frostline_core.config import ConfigModel, load
from frostline_core.errors import ConfigError
from frostline_core.logs import LogFormat


class RulesConfig(ConfigModel):
    """Where the rules are."""

    folder: Path = Field(default=Path("rules"), description="Folder of rule files, *.toml and *.yaml.")


class LogConfig(ConfigModel):
    """What is logged, to standard error."""

    level: str = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR.", pattern="^(DEBUG|INFO|WARNING|ERROR)$"
    )
    format: LogFormat = Field(default="text", description="text for people, json for collectors.")


class CloudConfig(ConfigModel):
    """cloud.toml. Relative paths in it are relative to its folder."""

    broker: BrokerConfig = Field(description="The MQTT broker.")
    ingest: IngestConfig = Field(default=IngestConfig(), description="Batching and bounds of the ingest path.")
    store: StoreConfig = Field(default=StoreConfig(), description="The time-series store.")
    sql: SqlConfig = Field(default=SqlConfig(), description="The SQL database.")
    retention: RetentionConfig = Field(default=RetentionConfig(), description="How long SQL keeps what is over.")
    rules: RulesConfig = Field(default=RulesConfig(), description="The alert rules.")
    alerts: AlertsConfig = Field(default=AlertsConfig(), description="What the cloud watches by itself.")
    http: HttpConfig = Field(default=HttpConfig(), description="API and console.")
    receiver: tuple[ReceiverConfig, ...] = Field(default=(), description="Who is told of alerts.")
    route: tuple[RouteConfig, ...] = Field(default=(), description="Who is told of what; without any, all of all.")
    rotation: tuple[RotationConfig, ...] = Field(default=(), description="People who take turns at being on call.")
    notify: NotifyConfig = Field(default=NotifyConfig(), description="Texts and links of notifications.")
    canary: CanaryConfig | None = Field(default=None, description="A made-up excursion that tries the whole path.")
    log: LogConfig = Field(default=LogConfig(), description="Logs.")

    @model_validator(mode="after")
    def _fits(self) -> CloudConfig:
        faults = faults_of(self.receiver, self.route, self.canary, self.rotation)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def notices(self) -> Tables:
        """What notify works with."""
        return Tables(self.receiver, self.route, self.notify, self.canary, self.rotation)

    @property
    def told(self) -> tuple[str, ...]:
        """To whom news of alerts is written: to dispatch, which addresses it; to nobody where nobody is configured."""
        return (UNADDRESSED,) if self.receiver else ()


def load_cloud(path: Path) -> CloudConfig:
    """Reads and checks cloud.toml, and makes its relative paths absolute.

    Raises:
        ConfigError: Every fault, a line each.
    """
    config = load(path, CloudConfig)
    here = path.resolve().parent
    templates, url = config.notify.templates, _absolute(config.sql.url, here)
    places = {"path": here / config.store.path, "held": here / (config.store.held or _beside(url))}
    return config.model_copy(
        update={
            "rules": RulesConfig(folder=here / config.rules.folder),
            "store": config.store.model_copy(update=places),
            "sql": SqlConfig(url=url),
            "notify": config.notify.model_copy(update={"templates": templates and here / templates}),
        }
    )


def _beside(url: str) -> Path:
    """Where the store's last lines are held: with what must outlive the power as they must."""
    scheme, found, path = url.partition("sqlite:///")
    return Path(path).parent / "held" if found and not scheme else Path("var/held")


def _absolute(url: str, here: Path) -> str:
    scheme, found, path = url.partition("sqlite:///")
    if scheme or not found or Path(path).is_absolute():
        return url
    if path in ("", ":memory:"):
        raise ConfigError(
            "sql.url: a database in memory loses everything at the end; name a file: sqlite:///var/frostline.db"
        )
    return f"sqlite:///{here / path}"
