"""docker-compose.yml and what it mounts: whole, bounded, without passwords. No container is started here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from frostline_cloud.config import load_cloud
from frostline_core.rules import load_folder
from frostline_gateway.config import load_gateway
from frostline_sim.references import load_world
from tests.support.services import binary

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture(scope="module")
def made_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    binary("mosquitto_passwd")
    environment = {**os.environ, "FROSTLINE_SECRETS": str(folder)}
    subprocess.run(["sh", str(DEPLOY / "make-secrets.sh")], env=environment, check=True, capture_output=True)
    return folder


@each_service
def test_images_have_a_version_and_our_own_run_as_nobody_in_particular(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        text = (ROOT / service["build"]["dockerfile"]).read_text()
        assert re.search(r"^USER 10001$", text, re.MULTILINE)
        assert "-c constraints.txt" in text
        assert all(re.search(r":[0-9]", line) for line in re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    else:
        assert re.search(r":[0-9]+\.[0-9]+", service["image"])


@each_service
def test_every_service_is_watched_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    limits = service["deploy"]["resources"]["limits"]
    assert limits["cpus"] and limits["memory"]
    assert service["logging"]["options"]["max-size"]
    assert "no-new-privileges:true" in service["security_opt"]


@each_service
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@each_service
def test_whatever_a_service_mounts_is_there(name: str) -> None:
    for mount in SERVICES[name].get("volumes", ()):
        source = mount.split(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], mount


@each_service
def test_dependencies_are_services_with_a_health_check_where_that_is_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] in ("service_started", "service_healthy")
        assert "healthcheck" in SERVICES[other]


@each_service
def test_no_password_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|SECRET", key):
            assert str(value).startswith("/run/secrets/"), key


def test_every_secret_is_declared_used_and_made(made_secrets: Path) -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        path = made_secrets / Path(secret["file"]).relative_to("secrets")
        assert path.stat().st_size >= 30, path


def test_secrets_are_random_kept_and_hidden(made_secrets: Path) -> None:
    plain = [path.read_text() for path in made_secrets.rglob("*") if path.is_file() and "mosquitto" not in path.name]
    assert len(set(plain)) == len(plain) == 6
    assert all(re.fullmatch("[A-Za-z0-9]{40}", text) for text in plain)
    assert made_secrets.stat().st_mode & 0o077 == 0 or made_secrets.parent.stat().st_mode & 0o077 == 0
    hashed = (made_secrets / "mosquitto_passwords").read_text()
    assert not any(text in hashed for text in plain)
    environment = {**os.environ, "FROSTLINE_SECRETS": str(made_secrets)}
    subprocess.run(["sh", str(DEPLOY / "make-secrets.sh")], env=environment, check=True, capture_output=True)
    again = [path.read_text() for path in made_secrets.rglob("*") if path.is_file() and "mosquitto" not in path.name]
    assert sorted(again) == sorted(plain)


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "a:b", ""])
def test_secrets_are_refused_for_names_that_are_no_ids(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "FROSTLINE_SECRETS": str(tmp_path)}
    command = ["sh", str(DEPLOY / "make-secrets.sh"), "site", name or ".."]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 2
    assert not list(tmp_path.iterdir())


def test_configs_fit_their_models_and_each_other() -> None:
    cloud = load_cloud(DEPLOY / "cloud.toml")
    gateway = load_gateway(DEPLOY / "gateway.toml")
    world = load_world(DEPLOY / "world.toml")
    assert load_folder(DEPLOY / "rules").rules
    assert gateway.uplink.host_id == cloud.broker.host_id
    assert gateway.uplink.username == f"{gateway.node}@{gateway.site}"
    (bus,), (reader,) = world.modbus, world.reader
    config = {driver.type: driver.model_dump() for driver in gateway.driver}
    assert (config["modbus"]["host"], config["modbus"]["port"]) == ("simulator", bus.port)
    assert (config["llrp"]["host"], config["llrp"]["port"]) == ("simulator", reader.port)
    assert {unit["unit"]: unit["profile"] for unit in config["modbus"]["unit"]} == {
        unit.unit: unit.profile for unit in bus.unit
    }


def test_docker_compose_accepts_the_file() -> None:
    asked = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    )
    command = ["docker", "compose"] if asked and asked.returncode == 0 else [binary("docker-compose")]
    subprocess.run([*command, "-f", "docker-compose.yml", "config", "--quiet"], cwd=ROOT, check=True)
