"""What a server acknowledged before it was on its disk is sent again, if that process has ended, and ours as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.store.held import HELD_BYTES, HELD_S, PART_BYTES, Held
from frostline_cloud.store.line_writer import RefusedError
from frostline_core.errors import UnavailableError


class Server:
    """Keeps lines in memory, and writes each to its disk some seconds after it came; a kill leaves the disk."""

    def __init__(self, tells: bool = True, writes_after_s: float = HELD_S / 2) -> None:
        self.now_s = 0.0
        self.up = True
        self.starts = 1
        self.requests = 0
        self.refuses: set[bytes] = set()
        self._tells, self._writes_after_s = tells, writes_after_s
        self._disk: set[bytes] = set()
        self._memory: list[tuple[float, bytes]] = []

    def started(self) -> str:
        if not self.up:
            raise UnavailableError("refused")
        return str(self.starts) if self._tells else ""

    def send(self, body: bytes) -> None:
        if not self.up:
            raise UnavailableError("refused")
        self.requests += 1
        if body in self.refuses:
            raise RefusedError("no line of a database")
        self._memory.append((self.now_s, body))

    def close(self) -> None:
        """Nothing is open."""

    def passes(self, seconds: float) -> None:
        self.now_s += seconds
        self._disk |= {body for at_s, body in self._memory if self.now_s - at_s >= self._writes_after_s}

    def die(self) -> None:
        self.up, self._memory = False, []

    def start(self) -> None:
        self.up, self.starts = True, self.starts + 1

    @property
    def has(self) -> set[bytes]:
        return self._disk | {body for _, body in self._memory}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def posts(server: Server, tmp_path: Path) -> Iterator[Held]:
    made = held(server, tmp_path)
    yield made
    made.close()


def held(server: Server, folder: Path | None) -> Held:
    return Held(server, server.started, lambda: server.now_s, folder)


def test_what_was_acknowledged_just_before_a_crash_comes_again_before_what_is_new(server: Server, posts: Held) -> None:
    posts.send(b"a")
    server.die()
    with pytest.raises(UnavailableError):
        posts.send(b"b")
    server.start()
    posts.send(b"c")
    assert server.has == {b"a", b"c"}


def test_a_restart_between_two_requests_is_noticed(server: Server, posts: Held) -> None:
    posts.send(b"a")
    server.die()
    server.start()
    posts.send(b"b")
    server.passes(HELD_S)
    posts.send(b"c")
    assert server.has == {b"a", b"b", b"c"}


def test_what_has_been_on_the_disk_for_long_is_not_sent_again(server: Server, posts: Held) -> None:
    posts.send(b"a")
    server.passes(HELD_S)
    posts.send(b"b")
    server.die()
    with pytest.raises(UnavailableError):
        posts.settle()
        posts.send(b"c")
    server.start()
    posts.settle()
    assert server.requests == 3, "a, b, and b again"


def test_what_is_held_is_bounded_and_what_goes_is_said(
    server: Server, posts: Held, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    large = b"x" * (PART_BYTES - 100)
    for _ in range(20):
        posts.send(large)
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= HELD_BYTES
    assert caplog.text.count("more than 256 MiB") == 1
    server.die()
    with pytest.raises(UnavailableError):
        posts.send(b"c")
    server.start()
    posts.settle()
    assert server.requests == 20 + 16


def test_whoever_comes_after_us_finds_what_we_held(server: Server, tmp_path: Path) -> None:
    ours = held(server, tmp_path)
    ours.send(b"a")
    server.die()
    ours.close()
    server.start()
    other = held(server, tmp_path)
    other.settle()
    assert server.has == {b"a"}
    server.passes(HELD_S)
    other.send(b"b")
    assert server.requests == 3, "a, a again, and b"
    other.close()


def test_a_server_that_lives_on_gets_nothing_twice_when_we_come_again(server: Server, tmp_path: Path) -> None:
    for body in (b"a", b"b"):
        ours = held(server, tmp_path)
        ours.send(body)
        ours.close()
    ours = held(server, tmp_path)
    server.passes(HELD_S)
    ours.settle()
    server.passes(HELD_S)
    ours.settle()
    assert server.requests == 2
    assert list(tmp_path.iterdir()) == []
    ours.close()


def test_what_another_process_holds_is_its_own(server: Server, posts: Held, tmp_path: Path) -> None:
    posts.send(b"a")
    other = held(server, tmp_path)
    other.send(b"b")
    server.die()
    server.start()
    other.settle()
    server.passes(HELD_S)
    other.settle()
    assert server.has == {b"b"}, "a is still to come"
    posts.settle()
    assert server.has == {b"a", b"b"}
    other.close()


def test_what_the_server_refuses_is_not_held(server: Server, posts: Held) -> None:
    server.refuses.add(b"?")
    posts.send(b"a")
    with pytest.raises(RefusedError):
        posts.send(b"?")
    posts.send(b"b")
    server.die()
    server.start()
    server.passes(HELD_S)
    posts.settle()
    assert server.requests == 3 + 2
    assert server.has == {b"a", b"b"}


def test_without_room_for_it_nothing_is_acknowledged(server: Server, tmp_path: Path) -> None:
    (tmp_path / "held").touch()  # a file where the folder should be
    ours = held(server, tmp_path / "held")
    with pytest.raises(UnavailableError, match="cannot be kept"):
        ours.send(b"a")
    assert server.requests == 0
    ours.close()


EVENT = st.one_of(
    st.tuples(st.just("send"), st.just(0)),
    st.tuples(st.just("pass"), st.integers(1, 30)),
    st.tuples(st.just("die"), st.just(0)),
    st.tuples(st.just("start"), st.just(0)),
    st.tuples(st.just("we die"), st.just(0)),
)


@pytest.mark.parametrize("tells", [True, False])
@given(events=st.lists(EVENT, max_size=30))
def test_whatever_happens_to_the_server_and_to_us_it_has_all_that_it_acknowledged(
    events: list[tuple[str, int]], tells: bool
) -> None:
    server = Server(tells)
    acknowledged: set[bytes] = set()
    with TemporaryDirectory() as folder:
        posts = held(server, Path(folder))
        for number, (what, seconds) in enumerate(events):
            if what == "send":
                try:
                    posts.send(str(number).encode())
                except UnavailableError:
                    continue
                acknowledged.add(str(number).encode())
            elif what == "pass":
                server.passes(seconds)
            elif what == "die":
                server.die()
                if not tells:  # a request that fails is all that shows it
                    with pytest.raises(UnavailableError):
                        posts.send(b"fails")
            elif what == "we die":
                posts.close()
                posts = held(server, Path(folder))
            elif not server.up:
                server.start()
        if not server.up:
            server.start()
        server.passes(HELD_S)
        posts.send(b"last")
        posts.close()
    assert acknowledged <= server.has


def test_a_server_that_does_not_tell_its_start_is_doubted_after_failures_only() -> None:
    server = Server(tells=False)
    posts = held(server, None)
    posts.send(b"a")
    server.die()
    with pytest.raises(UnavailableError):
        posts.send(b"b")
    server.start()
    posts.send(b"c")
    assert server.has == {b"a", b"c"}
    posts.close()
