"""What a server acknowledged before it was on its disk is sent again, if that process has ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.store.held import HELD_BYTES, HELD_S, Held
from frostline_core.errors import UnavailableError


class Server:
    """Keeps lines in memory, and writes each to its disk some seconds after it came; a kill leaves the disk."""

    def __init__(self, tells: bool = True, writes_after_s: float = HELD_S / 2) -> None:
        self.now_s = 0.0
        self.up = True
        self.starts = 1
        self.requests = 0
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


def held(server: Server) -> Held:
    return Held(server, server.started, lambda: server.now_s)


def test_what_was_acknowledged_just_before_a_crash_comes_again_before_what_is_new() -> None:
    server = Server()
    posts = held(server)
    posts.send(b"a")
    server.die()
    with pytest.raises(UnavailableError):
        posts.send(b"b")
    server.start()
    posts.send(b"c")
    assert server.has == {b"a", b"c"}


def test_a_restart_between_two_requests_is_noticed() -> None:
    server = Server()
    posts = held(server)
    posts.send(b"a")
    server.die()
    server.start()
    posts.send(b"b")
    server.passes(HELD_S)
    posts.send(b"c")
    assert server.has == {b"a", b"b", b"c"}


def test_what_has_been_on_the_disk_for_long_is_not_sent_again() -> None:
    server = Server()
    posts = held(server)
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


def test_memory_is_bounded() -> None:
    server = Server()
    posts = held(server)
    large = bytes(HELD_BYTES // 4)
    for _ in range(10):
        posts.send(large)
    server.die()
    with pytest.raises(UnavailableError):
        posts.send(b"c")
    server.start()
    posts.settle()
    assert server.requests == 10 + 4


EVENT = st.one_of(
    st.tuples(st.just("send"), st.just(0)),
    st.tuples(st.just("pass"), st.integers(1, 30)),
    st.tuples(st.just("die"), st.just(0)),
    st.tuples(st.just("start"), st.just(0)),
)


@given(st.lists(EVENT, max_size=40))
def test_whatever_happens_to_the_server_it_has_all_that_it_acknowledged(events: list[tuple[str, int]]) -> None:
    server = Server()
    posts = held(server)
    acknowledged: set[bytes] = set()
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
        elif not server.up:
            server.start()
    if not server.up:
        server.start()
    server.passes(HELD_S)
    posts.send(b"last")
    assert acknowledged <= server.has


def test_a_server_that_does_not_tell_its_start_is_doubted_after_failures_only() -> None:
    server = Server(tells=False)
    posts = held(server)
    posts.send(b"a")
    server.die()
    with pytest.raises(UnavailableError):
        posts.send(b"b")
    server.start()
    posts.send(b"c")
    assert server.has == {b"a", b"c"}
