"""The cloud as a process of its own, to be stopped and killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from frostline_cloud.notify.receivers.webhook.signature import new_secret
from frostline_cloud.sql import migrate, open_engine
from tests.support.hook import Hook
from tests.support.services import Mosquitto

COMMAND = [sys.executable, "-c", "from frostline_core.cli import main; main()", "cloud", "ingest"]


@dataclass
class CloudProcess:
    """Ingest and notify in one folder, with SQLite and the embedded store, unless `store` is another's table.

    Receivers are hooks by name.
    """

    folder: Path
    broker: Mosquitto
    hooks: dict[str, Hook]
    tables: Sequence[str] = ()
    store: str = 'path = "history.duckdb"'
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "rules").mkdir(exist_ok=True)
        (self.folder / "secret").write_text(new_secret())
        receivers = [
            f'[[receiver]]\nname = "{name}"\nurl = "http://127.0.0.1:{hook.port}/"\n'
            f'secret = "${{file:{self.folder}/secret}}"\nallow = ["127.0.0.0/8"]\n'
            for name, hook in self.hooks.items()
        ]
        fixed = [
            f'[broker]\nurl = "mqtt://{self.broker.host}:{self.broker.port}"\n',
            f'[sql]\nurl = "sqlite:///frostline.db"\n[store]\n{self.store}\n',
            '[http]\nlisten = "127.0.0.1:0"\n[ingest]\noffline_after_s = 60\nonline_after_s = 0\n',
        ]
        (self.folder / "cloud.toml").write_text("\n".join([*fixed, *receivers, *self.tables]))
        self.engine = open_engine(f"sqlite:///{self.folder}/frostline.db")
        migrate(self.engine)

    def start(self) -> None:
        """Starts it; it is not ready yet."""
        with (self.folder / "log").open("ab") as log:
            command = [*COMMAND, "-c", str(self.folder / "cloud.toml")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def kill(self) -> None:
        """SIGKILL, as a power cut."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """SIGTERM; returns the exit code, 0 for an orderly end."""
        if self.process is None:
            return 0
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    def close(self) -> None:
        """Ends whatever runs."""
        self.kill()
        self.engine.dispose()

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text()
