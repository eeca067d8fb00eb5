"""The gateway's whole configuration: read, checked and refused as one, before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from frostline_core.config import ConfigModel, parse, read
from frostline_core.errors import ConfigError
from frostline_core.logs import LogFormat
from frostline_edge.driver import Driver, DriverConfig, build, config_model, types
from frostline_gateway.clock import Trust
from frostline_gateway.local_rules.config import OutputConfig, RulesConfig
from frostline_gateway.uplink_config import UplinkConfig

_ID = r"^[A-Za-z0-9_.-]+$"
_MEBI = 1 << 20
_BUDGET_LEAST_MB = 8


class SpoolConfig(ConfigModel):
    """`[spool]`: how samples wait on the disk."""

    budget_mb: int = Field(
        default=0,
        description="Most MiB that samples may take on the disk; beyond it some are dropped, and listed as lost."
        " 0: 2048, or a fifth of the disk if that is less.",
        ge=0,
        le=1_000_000,
    )
    keep_days: int = Field(
        default=30,
        description="How long samples stay that the cloud has, so that a span of time can be sent again; within the"
        " budget, of which they are the first to go. 0: they do not.",
        ge=0,
        le=3650,
    )
    flush_s: float = Field(
        default=1.0,
        description="Longest time between a reading and its place on the disk; with nothing after it, a quarter of it.",
        ge=0.01,
        le=10,
    )
    flush_rows: int = Field(default=200, description="So many rows are written at once, without waiting.", ge=1)
    memory_rows: int = Field(
        default=5_000, description="Most rows that wait in memory while the disk takes none.", ge=200, le=1_000_000
    )

    @field_validator("budget_mb")
    @classmethod
    def _useful(cls, value: int) -> int:
        if 0 < value < _BUDGET_LEAST_MB:
            raise ValueError(f"at least {_BUDGET_LEAST_MB} MiB, or 0 for the default")
        return value

    @property
    def budget_bytes(self) -> int:
        """The budget in bytes; 0 is for the spool to choose."""
        return self.budget_mb * _MEBI

    @property
    def keep_ms(self) -> int:
        """How long committed samples stay, in milliseconds."""
        return self.keep_days * 86_400_000


class ClockConfig(ConfigModel):
    """`[clock]`: when the machine's time of day is believed."""

    trust: Trust = Field(
        default=Trust.AUTO,
        description="auto: when it is synchronised, or wait_s after the machine's start; until then readings wait for"
        " the time of day. always: at once, for machines with a clock that a battery keeps.",
    )
    wait_s: float = Field(
        default=600,
        description="A clock that nothing synchronises is believed so long after the machine's start.",
        ge=0,
        le=31_536_000,
    )


class HttpConfig(ConfigModel):
    """`[http]`: status and metrics of this process. It has no password: keep it on loopback."""

    listen: str = Field(
        default="127.0.0.1:9610",
        description="Address and port for /metrics, /status and /healthz; port 0 takes any free one.",
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:\s]+):\d{1,5}$",
    )

    @field_validator("listen")
    @classmethod
    def _port_exists(cls, value: str) -> str:
        if int(value.rpartition(":")[2]) > 65_535:
            raise ValueError("a port is at most 65535")
        return value

    @property
    def host(self) -> str:
        """The address."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.listen.rpartition(":")[2])


class LogConfig(ConfigModel):
    """`[log]`: what goes to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level shown.")
    format: LogFormat = Field(default="text", description="text for people, json for collectors.")


class Override(ConfigModel):
    """`[[override]]`: sampling of one metric, in place of what its driver or profile says."""

    device: str = Field(description="The device's id.", pattern=_ID)
    metric: str = Field(description="The metric's name.", min_length=1)
    deadband: float | None = Field(default=None, description="Smallest change worth a sample, in the unit.", ge=0)
    deadband_percent: float | None = Field(
        default=None, description="The same in percent of the last sample; the larger of the two counts.", ge=0
    )
    min_interval_s: float | None = Field(default=None, description="Never more often than this.", ge=0)
    max_interval_s: float | None = Field(default=None, description="At least this often, changed or not.", gt=0)
    calibration_offset: float | None = Field(default=None, description="Added to the value, in the metric's unit.")
    source_unit: str | None = Field(default=None, description="UCUM code of what the sensor gives.")
    every: bool | None = Field(default=None, description="Keep each reading, changed or not.")

    @property
    def fields(self) -> dict[str, object]:
        """The sampling fields that are given."""
        return {k: v for k, v in self.model_dump(exclude={"device", "metric"}).items() if v is not None}


class GatewayConfig(ConfigModel):
    """`gateway.toml`."""

    site: str = Field(description="Where it stands: a warehouse or a truck; the Sparkplug group.", pattern=_ID)
    node: str = Field(description="This gateway, unique in its site; the Sparkplug edge node.", pattern=_ID)
    data_dir: Path = Field(default=Path("/var/lib/frostline"), description="Folder of the spool; made if absent.")
    uplink: UplinkConfig = Field(default=UplinkConfig(), description="The way to the cloud.")
    spool: SpoolConfig = Field(default=SpoolConfig(), description="The queue on the disk.")
    clock: ClockConfig = Field(default=ClockConfig(), description="The time of day.")
    http: HttpConfig = Field(default=HttpConfig(), description="Status and metrics.")
    log: LogConfig = Field(default=LogConfig(), description="Logs.")
    driver: tuple[DriverConfig, ...] = Field(default=(), description="What is read; see each driver's README.")
    override: tuple[Override, ...] = Field(default=(), description="Sampling of single metrics.")
    rules: RulesConfig = Field(default=RulesConfig(), description="Rules that also work while the cloud is away.")
    output: tuple[OutputConfig, ...] = Field(default=(), description="What these rules switch.", max_length=100)

    @field_validator("driver", mode="before")
    @classmethod
    def _checked(cls, value: Any, info: ValidationInfo) -> Any:
        del info
        if isinstance(value, tuple) and all(isinstance(each, DriverConfig) for each in value):
            return value
        raise ValueError("drivers are checked one by one; use load_gateway")

    @field_validator("override")
    @classmethod
    def _unique(cls, value: tuple[Override, ...]) -> tuple[Override, ...]:
        twice = [pair for pair, count in Counter((each.device, each.metric) for each in value).items() if count > 1]
        if twice:
            raise ValueError(f"two overrides for {'/'.join(twice[0])}")
        return value

    @field_validator("output")
    @classmethod
    def _named_once(cls, value: tuple[OutputConfig, ...]) -> tuple[OutputConfig, ...]:
        for what in ("name", "target"):
            counts = Counter(getattr(each, what) for each in value)
            if twice := [each for each, count in counts.items() if count > 1]:
                raise ValueError(f"two outputs have the {what} '{twice[0]}'")
        return value

    @property
    def overrides(self) -> Mapping[tuple[str, str], Mapping[str, object]]:
        """Sampling fields by device and metric."""
        return {(each.device, each.metric): each.fields for each in self.override}

    @property
    def spool_path(self) -> Path:
        """The spool's file."""
        return self.data_dir / "spool.db"


def load_gateway(path: Path) -> GatewayConfig:
    """Reads and checks the whole file, drivers and all.

    Raises:
        ConfigError: Every fault, a line each, with file and key: `gateway.toml: driver[2].hots: unknown key`.
    """
    table = read(path)
    tables = table.pop("driver", [])
    faults: list[str] = []
    drivers: list[DriverConfig] = []
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        faults.append(f"{path}: driver: must be tables: [[driver]]")
        tables = []
    for number, each in enumerate(tables):
        try:
            drivers.append(_driver(each, f"{path}: driver[{number}]"))
        except ConfigError as error:
            faults.append(str(error))
    config: GatewayConfig | None = None
    try:
        config = parse({**table, "driver": tuple(drivers)}, GatewayConfig, str(path))
    except ConfigError as error:
        faults.append(str(error))
    if not faults:
        faults += _clashes(drivers, path)
    if config is not None:
        faults += _rule_faults(config)
    if faults or config is None:
        raise ConfigError("\n".join(faults))
    return config


def build_drivers(config: GatewayConfig) -> list[tuple[DriverConfig, Driver]]:
    """The drivers of a checked config; building touches nothing outside.

    Raises:
        ConfigError: A driver cannot be built on this machine (a package is missing).
    """
    return [(each, build(each)) for each in config.driver]


def _rule_faults(config: GatewayConfig) -> list[str]:
    """What is wrong with the local rules; the evaluator is only loaded where there are any."""
    if config.rules.folder is None:
        return []
    from frostline_gateway.local_rules.build import rules_of

    try:
        rules_of(config.rules, config.output, config.site, config.node)
    except ConfigError as error:
        return [str(error)]
    return []


def _driver(table: Mapping[str, Any], source: str) -> DriverConfig:
    """One driver's table, checked by its own model; keys in errors continue `driver[n]`."""
    name = table.get("type")
    if not isinstance(name, str):
        raise ConfigError(f"{source}.type: is missing; known: {', '.join(types())}")
    try:
        model = config_model(name)
    except ConfigError as error:
        raise ConfigError(f"{source}.type: {error}") from error
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{source}.type: the Python package '{error.name}' is not installed: pip install 'frostline[gateway]'"
        ) from error
    try:
        return parse(table, model, source)
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{source}: ", f"{source}.")) from error


def _clashes(drivers: list[DriverConfig], path: Path) -> Iterator[str]:
    """Driver names and device ids that are used twice: a device must have one source."""
    names = Counter(each.name for each in drivers)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield f"{path}: driver.name: two drivers are named '{name}'"
    owners: dict[str, tuple[str, str]] = {}
    for each in drivers:
        try:
            devices = build(each).devices()
        except ConfigError as error:
            yield f"{path}: driver '{each.name}': {error}"
            continue
        for device in devices:
            other, owner = owners.setdefault(device.casefold(), (device, each.name))
            if device != other:  # Sparkplug's case-sensitivity-sparkplug-ids
                yield f"{path}: device '{device}': differs from device '{other}' by upper and lower case only"
            elif owner != each.name:
                yield f"{path}: device '{device}': in driver '{owner}' and in driver '{each.name}'"
