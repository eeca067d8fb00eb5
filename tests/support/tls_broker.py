"""A broker that speaks TLS only."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.services import Mosquitto, binary


class TlsMosquitto(Mosquitto):
    """TLS with a certificate of its own making for localhost."""

    @property
    def certificate(self) -> Path:
        """Whoever trusts it may connect; there once the broker was started."""
        return self.folder / "cert.pem"

    def command(self) -> list[str]:
        """As without TLS, with two more lines of config."""
        command = super().command()
        openssl = [binary("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.certificate)]
        subprocess.run([*openssl, *names, *files], check=True, capture_output=True)
        with Path(command[-1]).open("a", encoding="utf-8") as config:
            config.write(f"certfile {self.certificate}\nkeyfile {self.folder}/key.pem\n")
        return command
