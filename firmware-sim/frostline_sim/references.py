"""Loads a world file and checks that every name in it refers to something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from frostline_core.config import load, nearest
from frostline_core.errors import ConfigError
from frostline_sim.config import OUTSIDE, FaultConfig, MqttSensorConfig, SysfsSensorConfig, WorldConfig
from frostline_sim.world.metrics import METRICS, Kind

SensorConfig = SysfsSensorConfig | MqttSensorConfig
AMBIENT = "ambient"
"""The device that the weather is."""
MQTT = "mqtt"
"""The name of the JSON sensors' connection, in faults and in the ready line."""


def load_world(path: Path) -> WorldConfig:
    """Reads and checks a world file.

    Raises:
        ConfigError: Every fault of the file, a line each.
    """
    config = load(path, WorldConfig)
    check(config, str(path))
    return config


def check(config: WorldConfig, source: str) -> None:
    """Checks the names of a world; `source` is the file that errors name.

    Raises:
        ConfigError: A name is used twice, or refers to nothing.
    """
    wrong = [f"{source}: {line}" for line in _wrong(config)]
    if wrong:
        raise ConfigError("\n".join(wrong))


def check_target(config: WorldConfig, fault: FaultConfig) -> None:
    """Checks one fault that is in no file.

    Raises:
        ConfigError: Its target is nothing that it can hit.
    """
    for line in _one_of(f"{fault.type}: target", fault.target, targets(config, fault)):
        raise ConfigError(line)


def kinds(config: WorldConfig) -> dict[str, Kind]:
    """Every device of the physical world by name."""
    found: dict[str, Kind] = {AMBIENT: "ambient"}
    found |= {room.name: "cold_room" for room in config.cold_room}
    found |= {rack.name: "compressor_rack" for rack in config.rack}
    return found | {meter.name: "power_meter" for meter in config.meter}


def _wrong(config: WorldConfig) -> Iterator[str]:
    yield from _twice(config)
    yield from _equipment(config)
    yield from _stock(config)
    yield from _servers(config)
    for i, fault in enumerate(config.fault):
        yield from _one_of(f"fault.{i}.target", fault.target, targets(config, fault))


def _twice(config: WorldConfig) -> Iterator[str]:
    equipment = (*config.cold_room, *config.rack, *config.meter, *config.zone)
    served = (*config.modbus, *config.reader, *config.link, *_sensors(config))
    names = Counter([AMBIENT, MQTT, *(each.name for each in equipment), *(each.name for each in served)])
    yield from (f"the name '{name}' is used twice" for name, count in names.items() if count > 1)
    gtins = Counter(product.gtin for product in config.product)
    yield from (f"product: GTIN {gtin} stands twice" for gtin, count in gtins.items() if count > 1)


def _equipment(config: WorldConfig) -> Iterator[str]:
    rooms = {room.name for room in config.cold_room}
    racks = {rack.name for rack in config.rack}
    fed = Counter(name for rack in config.rack for name in rack.rooms)
    for i, rack in enumerate(config.rack):
        for name in rack.rooms:
            yield from _one_of(f"rack.{i}.rooms", name, rooms)
    yield from (f"rack: room '{name}' is fed by two racks" for name, count in fed.items() if count > 1)
    for i, meter in enumerate(config.meter):
        for name in meter.racks:
            yield from _one_of(f"meter.{i}.racks", name, racks)


def _stock(config: WorldConfig) -> Iterator[str]:
    gtins = {product.gtin for product in config.product}
    zones = {zone.name for zone in config.zone}
    for i, zone in enumerate(config.zone):
        for gtin in zone.items:
            yield from _one_of(f"zone.{i}.items", gtin, gtins)
    for i, flow in enumerate(config.flow):
        yield from _one_of(f"flow.{i}.from", flow.source, zones | {OUTSIDE})
        yield from _one_of(f"flow.{i}.to", flow.to, zones | {OUTSIDE})
        if flow.source == flow.to:
            yield f"flow.{i}: from and to are the same"
        if flow.source == OUTSIDE and not gtins:
            yield f"flow.{i}: a delivery needs at least one [[product]]"


def _servers(config: WorldConfig) -> Iterator[str]:
    known = kinds(config)
    measurable = {name for name, kind in known.items() if kind in ("cold_room", "ambient")}
    for i, bus in enumerate(config.modbus):
        for k, unit in enumerate(bus.unit):
            yield from _one_of(f"modbus.{i}.unit.{k}.device", unit.device, set(known) - {AMBIENT})
    for i, reader in enumerate(config.reader):
        for zone in reader.antennas.values():
            yield from _one_of(f"reader.{i}.antennas", zone, {zone.name for zone in config.zone})
    for i, link in enumerate(config.link):
        if link.to == MQTT and config.mqtt is None:
            yield f"link.{i}.to: {MQTT} is the broker of [mqtt], and there is no [mqtt]"
    for sensor in _sensors(config):
        wanted = {name for name, kind in known.items() if kind == "cold_room"}
        yield from _one_of(
            f"sensor '{sensor.name}': device", sensor.device, wanted if sensor.kind == "contact" else measurable
        )


def targets(config: WorldConfig, fault: FaultConfig) -> set[str]:
    """Everything that a fault of that type can hit."""
    rooms, racks = {room.name for room in config.cold_room}, {rack.name for rack in config.rack}
    readers = {reader.name for reader in config.reader}
    units = {unit.device for bus in config.modbus for unit in bus.unit}
    sensors = {sensor.name for sensor in _sensors(config)}
    json_sensors = {sensor.name for sensor in config.mqtt.sensor} if config.mqtt else set()
    known = kinds(config)
    points = {f"{device}/{metric}" for device in units & known.keys() for metric in METRICS[known[device]]}
    lines = {bus.name for bus in config.modbus} | readers | {link.name for link in config.link}
    return {
        "door_open": rooms,
        "compressor_failure": rooms | racks,
        "sensor_stuck": sensors | points,
        "sensor_unplugged": sensors | points,
        "reader_deaf": readers | {f"{r.name}/{antenna}" for r in config.reader for antenna in r.antennas},
        "device_silent": units | readers | json_sensors,
        "link_down": lines | ({MQTT} if config.mqtt else set()),
        "stock_removed": {zone.name for zone in config.zone},
    }[fault.type]


def _sensors(config: WorldConfig) -> list[SensorConfig]:
    sysfs = config.sysfs.sensor if config.sysfs else ()
    return [*sysfs, *(config.mqtt.sensor if config.mqtt else ())]


def _one_of(key: str, name: str, known: Iterable[str]) -> Iterator[str]:
    choice = sorted(known)
    if name not in choice:
        yield f"{key}: there is no '{name}'{nearest(name, choice)}; it can be: {', '.join(choice) or 'nothing here'}"
