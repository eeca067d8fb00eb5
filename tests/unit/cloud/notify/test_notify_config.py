"""The config of receivers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from frostline_cloud.notify.receivers import webhook
from frostline_cloud.notify.receivers.chat import ChatConfig
from frostline_cloud.notify.receivers.mail import MailConfig
from frostline_cloud.notify.receivers.webhook import Webhook, WebhookConfig
from frostline_core.config import parse
from frostline_core.errors import ConfigError

GOOD = {"name": "ops", "url": "https://hooks.example/alerts", "secret": "${env:HOOK}"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"secret": ["${env:NEW}", "${env:OLD}"]},
        {"types": ["alert.firing"], "severities": ["critical"]},
        {"url": "http://10.1.2.3:8080/x", "allow": ["10.1.0.0/16"]},
        {"url": "http://hook.lan/x", "allow": ["10.1.0.0/16"]},
    ],
)
def test_a_sensible_receiver_is_accepted(change: dict[str, Any]) -> None:
    assert parse({**GOOD, **change}, WebhookConfig, "cloud.toml").name == "ops"


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://hooks.example/alerts"},
        {"url": "http://10.2.0.1/x", "allow": ["10.1.0.0/16"]},
        {"url": "ftp://hooks.example"},
        {"url": "https://"},
        {"url": "https://user:word@hooks.example"},
        {"url": "https://hooks.example/#part"},
        {"url": "https://hooks.example:99999/"},
        {"allow": ["10.0.0.1/8"]},
        {"allow": ["everywhere"]},
        {"secret": []},
        {"timeout_s": 0},
        {"types": ["alert.fired"]},
        {"severities": ["fatal"]},
        {"type": "pigeon"},
        {"name": "two words"},
        {"retries": 3},
    ],
)
def test_a_receiver_without_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"cloud\.toml"):
        parse({**GOOD, **change}, WebhookConfig, "cloud.toml")


def test_a_secret_in_the_config_itself_is_refused() -> None:
    config = parse({**GOOD, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, WebhookConfig, "cloud.toml")

    with pytest.raises(ConfigError, match="must be a reference"):
        Webhook(config)


def test_the_config_does_not_show_its_secret_references() -> None:
    assert "HOOK" not in repr(parse(GOOD, WebhookConfig, "cloud.toml"))


def test_a_certificate_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    table = {**GOOD, "secret": f"${{file:{secret}}}", "ca_file": str(tmp_path / "ca.pem")}

    with pytest.raises(ConfigError, match="ca_file"):
        Webhook(parse(table, WebhookConfig, "cloud.toml"))


def test_the_sample_is_a_valid_receiver_and_the_readme_shows_it() -> None:
    folder = Path(webhook.__file__).parent
    sample = (folder / "sample.toml").read_text()

    (table,) = tomllib.loads(sample)["receiver"]

    assert parse(table, WebhookConfig, "sample.toml").type == "webhook"
    assert sample in (folder / "README.md").read_text()


@pytest.mark.parametrize(("kind", "model"), [("mail", MailConfig), ("chat", ChatConfig)])
def test_the_samples_of_the_other_kinds_are_valid_and_shown_too(
    kind: str, model: type[MailConfig] | type[ChatConfig]
) -> None:
    folder = Path(webhook.__file__).parent.parent / kind
    sample = (folder / "sample.toml").read_text()

    (table,) = tomllib.loads(sample)["receiver"]

    assert parse(table, model, "sample.toml").type == kind
    assert sample in (folder / "README.md").read_text()
