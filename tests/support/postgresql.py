"""A real PostgreSQL for tests: made anew, on a free loopback port, with one database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from types import TracebackType

from sqlalchemy import Engine, text

from frostline_cloud.sql import migrate, open_engine
from tests.support.services import Service, missing

_USER = "frost"


class PostgreSQL(Service):
    """Keeps its data in a folder of its own below /tmp: it refuses to run as root, and `nobody` reads no other's."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        self._programs = found[-1].parent if found else missing("PostgreSQL")
        super().__init__("postgresql", Path(tempfile.mkdtemp(prefix="frostline-pg-")))
        self._as_nobody: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_nobody = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    @property
    def url(self) -> str:
        """SQLAlchemy's URL, without a database."""
        return f"postgresql://{_USER}@{self.host}:{self.port}"

    def command(self) -> list[str]:
        """The server; its cluster is made at the first start."""
        data = self.folder / "data"
        if not data.exists():
            made = [
                str(self._programs / "initdb"),
                "-D",
                str(data),
                "-U",
                _USER,
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
            ]
            subprocess.run([*self._as_nobody, *made], check=True, capture_output=True, cwd=self.folder)
        server = [str(self._programs / "postgres"), "-D", str(data), "-p", str(self.port), "-h", self.host]
        return [*self._as_nobody, *server, "-c", "unix_socket_directories="]

    def ready(self) -> bool:
        """Whether it takes connections."""
        asked = [str(self._programs / "pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def database(self) -> Engine:
        """A new database with our tables; the caller disposes of it."""
        name = f"t{uuid.uuid4().hex}"
        server = open_engine(f"{self.url}/postgres").execution_options(isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        server.dispose()
        engine = open_engine(f"{self.url}/{name}")
        migrate(engine)
        return engine

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        shutil.rmtree(self.folder, ignore_errors=True)
