"""mosquitto with the config, users and rights that deploy/ gives it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.services import Mosquitto, binary

DEPLOY = Path(__file__).parents[2] / "deploy"


class DeployedMosquitto(Mosquitto):
    """deploy/mosquitto/mosquitto.conf with secrets made by deploy/make-secrets.sh; only port and folders are changed.

    Args:
        folder: Becomes the folder of secrets too.
        gateways: Gateways of site harbour that get a user.
    """

    def __init__(self, folder: Path, gateways: tuple[str, ...] = ("gw-1",)) -> None:
        super().__init__(folder)
        binary("mosquitto_passwd")
        environment = {**os.environ, "FROSTLINE_SECRETS": str(folder)}
        for gateway in gateways:
            command = ["sh", str(DEPLOY / "make-secrets.sh"), "harbour", gateway]
            subprocess.run(command, env=environment, check=True, capture_output=True)

    def command(self) -> list[str]:
        """The deployed config, on a loopback port."""
        config = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        config = config.replace("listener 1883", f"listener {self.port} {self.host}\nuser root", 1)
        config = config.replace("/run/secrets/", f"{self.folder}/").replace("/mosquitto/data/", f"{self.folder}/")
        (self.folder / "deployed.conf").write_text(config)
        return [binary("mosquitto"), "-c", str(self.folder / "deployed.conf")]
