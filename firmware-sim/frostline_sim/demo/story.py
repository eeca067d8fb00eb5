"""The demo's story: start every process in flow order, watch, stop the field first, drain, and read the account."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from frostline_core.errors import UnavailableError
from frostline_sim.demo.books import Sums, add_up, of_one_moment
from frostline_sim.demo.fleet import Fleet
from frostline_sim.demo.processes import Processes, Running, free_port

GATEWAYS = ("warehouse", "truck")
_READY_S = 60.0
_DRAIN_S = 60.0
_POLL_S = 0.25
_ALERTS_MOST = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What the person asked for.

    Attributes:
        folder: Where configs, databases and logs lie.
        speed: World seconds per second.
        seed: Same seed, same world.
        port: Of the console; 0 takes a free one.
    """

    folder: Path
    speed: float
    seed: int
    port: int


@dataclass(slots=True)
class Demo:
    """A running demo: where to ask, and what the webhook listener has heard."""

    console: str
    gateways: dict[str, str]
    cloud: httpx.AsyncClient
    processes: Processes
    world: Running
    listener: Running
    webhooks: list[dict[str, Any]] = field(default_factory=list)

    async def get(self, path: str) -> Any:
        """A document of the cloud's API."""
        answer = await self.cloud.get(f"/api/v1/{path}")
        answer.raise_for_status()
        return answer.json()

    async def accounts(self) -> list[dict[str, Any]]:
        """What each gateway says became of its readings."""
        found = []
        for address in self.gateways.values():
            answer = await self.cloud.get(f"{address}/status")
            answer.raise_for_status()
            found.append(answer.json()["account"])
        return found

    async def nodes(self) -> list[dict[str, Any]]:
        """The cloud's list of nodes, with their accounts."""
        found: list[dict[str, Any]] = (await self.get("nodes"))["items"]
        return found

    async def listen(self) -> None:
        """Collects the webhooks until the listener ends."""
        async for line in self.listener.lines():
            self.webhooks.append(line)


@asynccontextmanager
async def running(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[Demo]:
    """Every process of the fleet, ready; all are stopped at the end, whatever happens.

    Raises:
        UnavailableError: One did not start; the message has the end of its log.
    """
    processes = Processes(plan.folder)
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            demo = await _start(plan, processes, client, say)
            hearing = asyncio.create_task(demo.listen(), name="webhooks")
            try:
                yield demo
            finally:
                hearing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await hearing
    finally:
        await processes.stop_all()


async def _start(plan: Plan, processes: Processes, client: httpx.AsyncClient, say: Callable[[str], None]) -> Demo:
    fleet, env = Fleet(plan.folder, plan.speed), dict(os.environ)
    secret = plan.folder / "webhook-secret"
    secret.touch(mode=0o600)
    secret.write_text("whsec_" + b64encode(secrets.token_bytes(32)).decode(), encoding="ascii")
    say("starting a broker and the world")
    broker = await processes.start("broker", ["sim", "broker"], env)
    mqtt = (await broker.first_line(_READY_S))["ports"]["mqtt"]
    values: dict[str, object] = {
        "broker": f"mqtt://127.0.0.1:{mqtt}",
        "data": plan.folder,
        "sysfs": plan.folder / "sysfs",
        "secret": secret,
        "speed": f"{plan.speed:g}",
        "seed": plan.seed,
        "door_at": f"{12 * plan.speed:g}",
        "door_for": f"{16 * plan.speed:g}",
        "stock_at": f"{18 * plan.speed:g}",
    }
    world_file = fleet.write("world.toml", values)
    world = await processes.start("world", ["sim", "run", str(world_file)], env)
    ports = (await world.first_line(_READY_S))["ports"]
    say("starting the cloud and its webhook listener")
    values |= {"webhook": free_port(), "http": plan.port or free_port()}
    hook = ["webhook", "listen", "--listen", f"127.0.0.1:{values['webhook']}", "--secret-file", str(secret), "--json"]
    listener = await processes.start("webhooks", hook, env)
    for name in ("rules/cold_chain.toml", "rules/stock.toml"):
        fleet.write(name, values)
    cloud = await processes.start("cloud", ["cloud", "run", "-c", str(fleet.write("cloud.toml", values))], env)
    client.base_url = httpx.URL(f"http://127.0.0.1:{values['http']}")
    say("starting two gateways")  # they measure and keep while the cloud starts
    gateways, starting = {}, {f"{client.base_url}/readyz": cloud}
    values |= {"modbus": _port(ports, "bus-1"), "llrp": _port(ports, "reader-1")}
    for name in GATEWAYS:
        values["http"] = free_port()
        config = fleet.write(f"{name}.toml", values)
        gateway = await processes.start(name, ["gateway", "run", "-c", str(config)], env)
        gateways[name] = f"http://127.0.0.1:{values['http']}"
        starting[f"{gateways[name]}/healthz"] = gateway
    for url, process in starting.items():
        await _ready(client, url, process)
    return Demo(f"{client.base_url}/", gateways, client, processes, world, listener)


def _port(ports: dict[str, Any], name: str) -> int:
    """The port of a server in the world's ready line, which may group them."""
    for key, found in ports.items():
        if key == name and isinstance(found, int):
            return found
        if isinstance(found, dict) and name in found:
            return int(found[name])
    raise UnavailableError(f"the world does not serve '{name}'; it serves {ports}")


async def _ready(client: httpx.AsyncClient, url: str, process: Running) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        if process.process.returncode is not None:
            raise process.failed()
        with contextlib.suppress(httpx.HTTPError):
            if (await client.get(url)).is_success:
                return
        await asyncio.sleep(_POLL_S)
    raise UnavailableError(f"'{process.name}' was not ready within {_READY_S:.0f} s; see {process.log}")


async def drain(demo: Demo) -> None:
    """Stops the field, then waits until no gateway holds a sample and every alert was told, at most 60 s each."""
    await demo.processes.stop(demo.world)
    await _until(demo, _nothing_pending)
    await _until(demo, _all_told)


async def _until(demo: Demo, done: Callable[[Demo], Awaitable[bool]]) -> None:
    again = _tries(demo)
    while not await done(demo) and await again():
        pass


def _tries(demo: Demo) -> Callable[[], Awaitable[bool]]:
    """Waits a little at each call, as long as the processes run; false after 60 s."""
    until = time.monotonic() + _DRAIN_S

    async def again() -> bool:
        demo.processes.check()
        await asyncio.sleep(_POLL_S)
        return time.monotonic() < until

    return again


async def _nothing_pending(demo: Demo) -> bool:
    return all(each["pending"] == 0 for each in await demo.accounts())


async def _all_told(demo: Demo) -> bool:
    """Whether every alert that fired has its notifications, none of them waits, and the listener's words are here."""
    delivered = 0
    for alert in (await demo.get(f"alerts?limit={_ALERTS_MOST}"))["items"]:
        shown = await demo.get(f"alerts/{alert['id']}")
        states = [each["state"] for each in shown["notifications"]]
        fired = any(event["after"] == "firing" for event in shown["timeline"])
        if "waiting" in states or (fired and not states):
            return False
        delivered += states.count("delivered")
    return len(demo.webhooks) >= delivered


@dataclass(frozen=True, slots=True)
class Account(Sums):
    """What became of every reading of the demo, and what was told of it."""

    alerts: list[dict[str, Any]]
    webhooks: list[dict[str, Any]]


async def account(demo: Demo) -> Account:
    """Adds up the gateways' accounts and the cloud's, and lists the alerts with what was heard of them."""
    sums = add_up(await of_one_moment(demo.accounts, demo.nodes, _tries(demo)))
    hooks = [{"id": each["id"], "type": each["type"], "verified": each["verified"]} for each in demo.webhooks]
    return Account(**asdict(sums), alerts=await alerts(demo), webhooks=hooks)


async def alerts(demo: Demo) -> list[dict[str, Any]]:
    """Every time an alert fired or resolved: rule, device, state, at (UTC ms)."""
    found = []
    for alert in (await demo.get(f"alerts?limit={_ALERTS_MOST}"))["items"]:
        shown = await demo.get(f"alerts/{alert['id']}")
        found += [
            {"rule": alert["rule"], "device": alert["device"], "state": event["after"], "at": event["at_ms"]}
            for event in shown["timeline"]
            if event["after"] in ("firing", "resolved") and event["before"] != event["after"]
        ]
    return sorted(found, key=lambda each: int(each["at"]))
