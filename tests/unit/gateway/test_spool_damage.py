"""The spool when the process is killed, the file is damaged, or the disk is full."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from frostline_core.errors import UnavailableError
from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import NewRow

T0 = 1_700_000_000_000
ROW = NewRow(Stream.SAMPLES, "room", b"x" * 3000, 1, T0, T0)

WRITER = """
import sys
from pathlib import Path
from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import NewRow

spool = Spool.open(Path(sys.argv[1]), 1 << 30, lambda: 1_700_000_000_000)
n = 0
while True:
    spool.append([NewRow(Stream.SAMPLES, "room", b"x" * 500, 1, n + i, n + i) for i in range(5)])
    n += 5
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""

FILLER = """
import os, resource, sys
from pathlib import Path
from frostline_core.errors import UnavailableError
from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import NewRow

spool = Spool.open(Path(sys.argv[1]), 1 << 30, lambda: 1_700_000_000_000)
kept = 0
try:
    while True:
        spool.append([NewRow(Stream.SAMPLES, "room", os.urandom(3000), 1, kept, kept)])
        kept += 1
except UnavailableError as error:
    held, told, refused = spool.held_rows, str(error), 0
run = spool.runs()[0].run
for _ in range(3):
    try:
        spool.append([NewRow(Stream.SAMPLES, "room", os.urandom(3000), 1, kept, kept)])
    except UnavailableError:
        refused += 1
try:
    for n in range(0, kept, 64):
        spool.delete_through(run, n)
    spool.delete_through(run, kept)
    spool.append([NewRow(Stream.SAMPLES, "room", os.urandom(3000), 1, kept, kept)])
except UnavailableError as error:
    told += " " + str(error)
print(kept, held, refused, spool.runs()[0].last, spool.held_rows, told, sep="|")
"""


RINGED = """
import os, sys
from pathlib import Path
from frostline_core.errors import UnavailableError
from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import NewRow

spool = Spool.open(Path(sys.argv[1]), 1 << 30, lambda: 1_700_000_000_000, 86_400_000)
failures = 0
for n in range(6000):
    for attempt in range(20):
        try:
            spool.append([NewRow(Stream.SAMPLES, "room", os.urandom(3000), 1, n, n)])
            (run,) = spool.runs()
            spool.delete_through(run.run, run.last)
            break
        except UnavailableError:
            failures += 1
    else:
        sys.exit("the ring did not give way")
print(failures, spool.runs()[0].last, sep="|")
"""


def open_spool(folder: Path) -> Spool:
    return Spool.open(folder / "spool.db", 1 << 30, lambda: T0)


def filled(folder: Path, rows: int) -> Path:
    with open_spool(folder) as spool:
        spool.append([ROW] * rows)
    return folder / "spool.db"


def notice(spool: Spool) -> bytes:
    (held,) = [held for held in spool.runs() if held.stream is Stream.EVENTS]
    row = spool.next_row(held.run, 1)
    assert row is not None
    return row.payload


@pytest.mark.parametrize("attempt", range(3))
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "spool.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(20 + 17 * attempt):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    writer.stdout.close()
    with Spool.open_read_only(path) as view:
        assert view.held_rows >= max(acknowledged, default=0)
    with open_spool(tmp_path) as spool:
        (held,) = spool.runs()
        times = []
        for n in range(1, held.last + 1):
            row = spool.next_row(held.run, n)
            assert row is not None
            times.append(row.first_ms)
    assert times == list(range(held.last))
    assert held.last >= max(acknowledged, default=0)
    assert held.last >= 5 * (20 + 17 * attempt)


@pytest.mark.parametrize("what", ["garbage", "other database", "page", "cut short"])
def test_a_damaged_file_is_set_aside_and_the_host_is_told(tmp_path: Path, what: str) -> None:
    path = filled(tmp_path, 40)
    with sqlite3.connect(path) as connection:
        old_id = connection.execute("SELECT id FROM spool").fetchone()[0]
    connection.close()
    damage(path, what)
    with open_spool(tmp_path) as spool:
        assert spool.spool_id.to_bytes(8) != old_id
        assert b"damaged" in notice(spool)
        assert b"spool.db.corrupt-20231114T221320Z" in notice(spool)
        spool.append([ROW])
        assert spool.held_rows == 2
    assert (tmp_path / "spool.db.corrupt-20231114T221320Z").exists()


def damage(path: Path, what: str) -> None:
    raw = path.read_bytes()
    if what == "garbage":
        path.write_bytes(b"not a database at all" * 400)
    elif what == "page":
        path.write_bytes(raw[:8192] + b"\xff" * 8192 + raw[16384:])
    elif what == "cut short":
        path.write_bytes(raw[: len(raw) // 2 // 4096 * 4096])
    else:
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE spool (something TEXT)")
        connection.close()


def test_damage_noticed_while_running_fails_one_call_and_the_next_works(tmp_path: Path) -> None:
    path = filled(tmp_path, 4000)  # more than SQLite's page cache
    with open_spool(tmp_path) as spool:
        run = spool.runs()[0].run
        raw = path.read_bytes()
        path.write_bytes(raw[:40960] + b"\xff" * (len(raw) - 81920) + raw[-40960:])
        with pytest.raises(UnavailableError, match="set aside as"):
            for n in range(1, 4000):
                spool.next_row(run, n)
        assert b"damaged" in notice(spool)
        spool.append([ROW])
        assert [held.last for held in spool.runs()] == [1, 1]
    with open_spool(tmp_path) as spool:
        assert spool.held_rows == 2


def test_only_the_newest_three_damaged_files_are_kept(tmp_path: Path) -> None:
    for day in range(5):
        (tmp_path / "spool.db").write_bytes(b"garbage" * 100)
        Spool.open(tmp_path / "spool.db", 1 << 20, lambda day=day: T0 + day * 86_400_000).close()  # type: ignore[misc]  # a default argument
    kept = sorted(path.name for path in tmp_path.glob("*.corrupt-*Z"))
    assert kept == [f"spool.db.corrupt-202311{day}T221320Z" for day in (16, 17, 18)]


def test_a_file_size_limit_fails_appends_and_keeps_what_is_there(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

    command = [sys.executable, "-c", FILLER, str(tmp_path / "spool.db")]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=240, check=True)
    kept, held, refused, _, _, message = done.stdout.split("|")
    assert int(kept) > 100
    assert (held, refused) == (kept, "3")
    assert "the disk does not read or write" in message


def test_a_full_disk_says_so_and_has_room_again_after_a_commit(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=16m tmpfs {tmp_path} && exec {sys.executable} -c '{FILLER}' {tmp_path}/spool.db"
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True, timeout=240)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("this kernel lets nobody mount a tmpfs of their own")
    kept, held, refused, last, after, message = done.stdout.split("|")
    assert int(kept) > 1000
    assert (held, refused) == (kept, "3")
    assert (int(last), int(after)) == (int(kept) + 1, 1), message
    assert "the disk is full; free some space" in message


def test_a_full_disk_takes_new_rows_at_the_cost_of_the_ring(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=16m tmpfs {tmp_path} && exec {sys.executable} -c '{RINGED}' {tmp_path}/spool.db"
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True, timeout=240)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("this kernel lets nobody mount a tmpfs of their own")
    assert done.returncode == 0, done.stderr
    failures, last = (int(each) for each in done.stdout.split("|"))
    assert 0 < failures < 600
    assert last >= 6000


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    filled(tmp_path, 1).chmod(0o400)
    with pytest.raises(UnavailableError, match="not writable"):
        open_spool(tmp_path)
