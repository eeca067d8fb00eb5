"""Config of the broker connection and of the ingest path."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from frostline_core import endpoint
from frostline_core.config import ConfigModel
from frostline_core.endpoint import check_certificate, check_exposed


class BrokerConfig(ConfigModel):
    """Where the MQTT broker is, and who we are there."""

    url: str = Field(description="mqtts://host[:8883]; mqtt://host[:1883] only on loopback or with insecure = true.")
    host_id: str = Field(default="frostline", description="Sparkplug host id: gateways wait for its STATE.")
    client_id: str = Field(default="", description="MQTT client id; made from the host id where empty.")
    username: str = Field(default="", description="MQTT user.")
    password: SecretStr | None = Field(default=None, description="${env:NAME} or ${file:/path}.")
    ca_file: Path | None = Field(default=None, description="Trusted CA certificates; the system's where absent.")
    cert_file: Path | None = Field(default=None, description="Our certificate, for mutual TLS.")
    key_file: Path | None = Field(default=None, description="Its private key.")
    keepalive_s: int = Field(default=30, description="MQTT keep-alive.", ge=5, le=600)
    insecure: bool = Field(
        default=False, description="Allow plain MQTT across a network; only for a closed test bench."
    )

    @model_validator(mode="after")
    def _safe(self) -> BrokerConfig:
        check_exposed(endpoint.broker(self.url), insecure=self.insecure)
        check_certificate(self.cert_file, self.key_file)
        return self

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return endpoint.broker(self.url).tls

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return endpoint.broker(self.url).address


class IngestConfig(ConfigModel):
    """How the ingest path batches, and where its bounds are."""

    linger_ms: int = Field(default=5, description="How long a message waits for company before a flush.", ge=0, le=5000)
    flush_samples: int = Field(default=40_000, description="A flush starts at once with this many samples.", ge=1)
    queue_messages: int = Field(
        default=20_000, description="Messages waiting, at most; beyond, gateways send again.", ge=1
    )
    queue_mib: int = Field(default=64, description="The same in MiB.", ge=1)
    offline_after_s: float = Field(default=8.0, description="Cannot persist for so long: STATE offline.", ge=1)
    online_after_s: float = Field(default=30.0, description="Can persist again for so long: STATE online.", ge=0)
    reorder_timeout_ms: int = Field(default=2_000, description="Sparkplug reorder timeout for plain nodes.", ge=0)
    future_ms: int = Field(
        default=300_000, description="A sample further in the future goes to the dead letters.", ge=0
    )
