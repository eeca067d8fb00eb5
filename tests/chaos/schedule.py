"""From a seed to a list of faults with times: the same seed, the same list. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

PROCESSES = ("gateway", "cloud", "broker", "store", "standby")
LINKS = ("gateway_link", "cloud_link")

# How often each is killed, of ten kills: the broker and the store are other people's programs.
_KILL_WEIGHTS = (4, 4, 1, 1, 0)
_KILL_WEIGHTS_OF_TWO = (3, 2.5, 1, 1, 2.5)
_LEAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at_s: When it begins, after the start of the scenario.
        kind: A name of `KINDS`, or `kill`.
        target: What it happens to.
        for_s: How long it lasts; of a kill or a power cut: how long until the process is started again.
        strength: Seconds of latency or of a clock's step, bytes a second; 0 where there is nothing to measure.
    """

    at_s: float
    kind: str
    target: str
    for_s: float
    strength: float = 0.0

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of fault: what it can happen to, how long it lasts (least and most), how strong it is."""

    name: str
    targets: tuple[str, ...]
    for_s: tuple[float, float]
    strength: tuple[float, float] = (0.0, 0.0)


KINDS = (
    Kind("reset", LINKS, (0.0, 0.0)),
    Kind("half_open", LINKS, (0.0, 0.0)),
    Kind("black_hole", LINKS, (1.0, 9.0)),
    Kind("refuse", LINKS, (1.0, 4.0)),
    Kind("latency", LINKS, (2.0, 6.0), (0.05, 0.4)),
    Kind("bandwidth", LINKS, (2.0, 6.0), (4_000, 40_000)),
    Kind("store_refuses", ("store_front",), (0.5, 5.0)),
    Kind("store_hangs", ("store_front",), (0.5, 5.0)),
    Kind("store_forgets", ("store_front",), (0.5, 3.0)),
    Kind("store_halves", ("store_front",), (0.5, 3.0)),
    Kind("sql_locked", ("sql",), (0.5, 8.0)),
    Kind("disk_full", ("spool",), (1.0, 5.0)),
    Kind("clock_back", ("clock",), (0.5, 8.0), (0.5, 20.0)),
    Kind("clock_ahead", ("clock",), (0.5, 8.0), (0.5, 20.0)),
    Kind("no_clock", ("clock",), (1.0, 5.0)),
    Kind("power_cut", ("gateway", "cloud"), (0.0, 2.0)),
)


def schedule(seed: int, kills: int, duration_s: float, ingests: int = 1) -> list[Fault]:
    """Faults in order of time: `kills` kills and half as many others, no two at once of one target.

    Args:
        seed: Decides everything.
        kills: How many SIGKILLs.
        duration_s: Over which they are spread; the last faults may end a little later.
        ingests: Two: the cloud has a standby that is killed as well.
    """
    kill = partial(_kill, _KILL_WEIGHTS if ingests == 1 else _KILL_WEIGHTS_OF_TWO)
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    busy: dict[str, list[Fault]] = {}
    faults = [_placed(dice, busy, duration_s, kill) for _ in range(kills)]
    # Each kind comes once before any comes again, so that short scenarios are broad.
    deck: list[Kind] = []
    for _ in range(kills // 2):
        deck = deck or dice.sample(KINDS, len(KINDS))
        kind = deck.pop()
        faults.append(_placed(dice, busy, duration_s, partial(_other, kind)))
    return sorted(faults, key=lambda fault: fault.at_s)


def _kill(weights: Sequence[float], dice: random.Random, at_s: float) -> Fault:
    target = dice.choices(PROCESSES, weights)[0]
    return Fault(at_s, "kill", target, dice.uniform(0.0, 2.0))


def _other(kind: Kind, dice: random.Random, at_s: float) -> Fault:
    return Fault(at_s, kind.name, dice.choice(kind.targets), dice.uniform(*kind.for_s), dice.uniform(*kind.strength))


def _placed(
    dice: random.Random,
    busy: dict[str, list[Fault]],
    duration_s: float,
    make: Callable[[random.Random, float], Fault],
) -> Fault:
    """A fault at a moment when its target is free; where there is none, behind the last one."""
    for _ in range(50):
        fault = make(dice, dice.uniform(_LEAD_S, duration_s))
        if not any(_overlap(fault, other) for other in busy.get(fault.target, ())):
            break
    else:
        last = max(other.ends_s for other in busy[fault.target])
        fault = Fault(last + 1.0, fault.kind, fault.target, fault.for_s, fault.strength)
    busy.setdefault(fault.target, []).append(fault)
    return fault


def _overlap(one: Fault, other: Fault) -> bool:
    """Whether two faults of one target are less than a moment apart."""
    return one.at_s < other.ends_s + 0.5 and other.at_s < one.ends_s + 0.5
