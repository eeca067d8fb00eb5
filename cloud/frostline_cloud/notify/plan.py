"""The plan: who is told of what, by the routes and by who is on call; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from frostline_cloud.notify.grouping import GroupConfig
from frostline_cloud.notify.oncall import Override, Rotation
from frostline_cloud.notify.routing import Choice, Facts, RouteConfig, choose
from frostline_core.rules import Severity

CANARY_RULE: Final = "frostline-canary"
"""The canary's alert goes to the receiver that it tries, whatever the routes say."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is told of what.

    Attributes:
        receivers: Names of all receivers.
        routes: In the order of the file; none: every receiver is told of everything.
        fallbacks: Receiver to the one that stands in for it when it is gone.
        canary: The receiver that the canary tries; "" for none.
        rotations: Whom routes and steps may name beside receivers.
    """

    receivers: tuple[str, ...] = ()
    routes: tuple[RouteConfig, ...] = ()
    fallbacks: tuple[tuple[str, str], ...] = ()
    canary: str = ""
    rotations: tuple[Rotation, ...] = ()

    @property
    def groups(self) -> dict[str, GroupConfig]:
        """The routes that group, by name, and how."""
        return {route.name: route.group for route in self.routes if route.group is not None}

    def fallback(self, receiver: str) -> str:
        """Who stands in for a receiver; "" for nobody."""
        return dict(self.fallbacks).get(receiver, "")

    def others(self, receiver: str) -> tuple[str, ...]:
        """Who is told about a receiver: its fallback, or everybody else."""
        fallback = self.fallback(receiver)
        return (fallback,) if fallback else tuple(name for name in self.receivers if name != receiver)

    def with_overrides(self, made: Sequence[Override]) -> Plan:
        """The same plan, with overrides that were made over API and console.

        One for a receiver that the configuration no longer has does not count: nobody would be told.
        """
        known = [each for each in made if each.who in self.receivers]
        return replace(self, rotations=tuple(each.with_overrides(known) for each in self.rotations))

    def choice(self, facts: Facts, now_ms: int) -> Choice:
        """Who is told now, for the first time, as receivers.

        Something critical that no route takes goes to everybody: it must not end in silence.
        """
        everybody = Choice((), dict.fromkeys(self.receivers, ""))
        if facts.rule == CANARY_RULE:
            return Choice((), {self.canary: ""} if self.canary else {})
        if not self.routes:
            return everybody
        taken = choose(self.routes, facts, now_ms).routes
        if not taken and facts.severity == Severity.CRITICAL:
            return everybody
        told: dict[str, str] = {}
        for route in taken:
            for name in self.on_call(route.to, now_ms):
                told.setdefault(name, route.name)
        return Choice(taken, told)

    def on_call(self, names: Sequence[str], now_ms: int) -> dict[str, str]:
        """Receivers for the names in a route or a step, each with the rotation that it came by, "" for none.

        Where no rotation among the names has anybody on call, their fallbacks are told; if none, everybody. So is
        everybody where a step was written down and the configuration no longer has any of its names.
        """
        rotations = {each.name: each for each in self.rotations}
        named = [rotations[name] for name in names if name in rotations]
        found = {name: "" for name in names if name in self.receivers}
        if names and not named and not found:
            return dict.fromkeys(self.receivers, "")
        on_call = {each.who(now_ms): each.name for each in named if each.who(now_ms)}
        if named and not on_call:
            on_call = {each.config.fallback: each.name for each in named if each.config.fallback}
            on_call = on_call or dict.fromkeys(self.receivers, named[0].name)
        return found | {name: by for name, by in on_call.items() if name not in found}

    def standing_in(self, receiver: str, gone: Collection[str]) -> str:
        """The receiver itself, or its fallback where it is gone and has one."""
        return (self.fallback(receiver) or receiver) if receiver in gone else receiver
