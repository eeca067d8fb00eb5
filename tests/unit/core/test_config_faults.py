"""A fault in a config is told with what stands there, and never with a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, field_validator, model_validator

from frostline_core import endpoint
from frostline_core.config import ConfigModel, parse, secret
from frostline_core.errors import ConfigError


class _Link(ConfigModel):
    url: str = Field(default="mqtt://localhost", description="Broker.")
    linger_ms: int = Field(default=1, description="Pause.", ge=0)
    urls: tuple[str, ...] = Field(default=(), description="More.", max_length=1)

    @field_validator("url")
    @classmethod
    def _is_broker(cls, value: str) -> str:
        endpoint.broker(value)
        return value

    @model_validator(mode="after")
    def _is_slow(self) -> _Link:
        if self.linger_ms == 7:
            raise ValueError("seven is too slow")
        return self


def fault(**table: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(table, _Link, "a.toml")
    return str(caught.value)


def test_what_stands_there_is_told() -> None:
    assert fault(linger_ms=-3) == "a.toml: linger_ms: Input should be greater than or equal to 0, not -3"
    assert fault(url="tcp://host").endswith("mqtt://host[:port], not 'tcp://host'")


def test_a_password_in_a_url_is_not_told() -> None:
    told = fault(url="mqtts://me:hunter2@host")
    assert "neither user nor password" in told
    assert told.endswith("not 'mqtts://...@host'")
    assert "hunter2" not in fault(urls=["mqtts://me:hunter2@host", "mqtts://me:p/hunter2@host"])


def test_a_fault_of_a_whole_table_does_not_repeat_the_table() -> None:
    assert fault(linger_ms=7, url="mqtt://localhost") == "a.toml: (top level): seven is too slow"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_secret_file_without_text_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=f"cloud.toml: .*{file}"):
        secret(f"${{file:{file}}}", "cloud.toml")
