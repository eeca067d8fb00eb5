"""The `[store]` table of cloud.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from frostline_core.config import ConfigModel
from frostline_core.endpoint import check_exposed, database


class StoreConfig(ConfigModel):
    """Which time-series database, and how to reach it."""

    kind: Literal["embedded", "influxdb1", "influxdb2", "victoriametrics"] = Field(
        default="embedded",
        description="embedded (one file, nothing to install), influxdb1 (1.x), influxdb2 (2 and 3) or victoriametrics.",
    )
    path: Path = Field(default=Path("var/frostline.duckdb"), description="embedded: the file.")
    memory_mb: int = Field(default=512, description="embedded: most memory for its buffers, MiB.", ge=64)
    threads: int = Field(default=2, description="embedded: threads of one query.", ge=1, le=64)
    retention_days: int = Field(
        default=0,
        description="embedded: older rows are deleted; 0 keeps everything. A server has its own setting.",
        ge=0,
    )
    url: str = Field(default="", description="Servers: base URL. http only on loopback, unless insecure = true.")
    insecure: bool = Field(default=False, description="Servers: allow http to another machine.")
    ca_file: str = Field(
        default="", description="Servers: PEM file of the certificates to trust; empty: the usual ones."
    )
    database: str = Field(
        default="frostline", description="influxdb1: database; influxdb2: bucket (and its DBRP name)."
    )
    org: str = Field(default="", description="influxdb2: organization.")
    username: str = Field(
        default="", description="influxdb1, victoriametrics (a proxy before it): user; empty: no authentication."
    )
    password: SecretStr | None = Field(default=None, description="Of the user: ${env:NAME} or ${file:/path}.")
    token: SecretStr | None = Field(
        default=None,
        description="influxdb2: API token, ${env:NAME} or ${file:/path}; victoriametrics: for a proxy before it.",
    )
    held: Path | None = Field(
        default=None,
        description="victoriametrics: folder, on a disk, for what was written last and may not be on the server's disk "
        "yet. Default: `held` beside SQLite's file; without SQLite `var/held`.",
    )
    timeout_s: float = Field(default=10.0, description="Of one request or query.", gt=0, le=300)

    @model_validator(mode="after")
    def _fits(self) -> StoreConfig:
        if self.kind == "embedded":
            if self.url:
                raise ValueError("kind embedded has no url; is kind missing? (influxdb1, influxdb2, victoriametrics)")
            return self
        if self.retention_days:
            raise ValueError(f"retention_days is for kind embedded; set the retention at the {self.kind} server")
        if not self.url:
            raise ValueError(f"kind {self.kind} needs a url: https://host[:port]")
        check_exposed(database(self.url, "a store"), insecure=self.insecure)
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password belong together")
        return self
