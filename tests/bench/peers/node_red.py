"""Node-RED with a flow that does what it is used for here: MQTT in, a threshold on each value, rows to InfluxDB 1.x.

The flow is as its nodes are meant to be put together; batched it has what a careful user writes by hand: rows are kept
until there are 5,000 points or 100 ms are over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.peers.install import node_red
from tests.support.services import Influxd, Mosquitto, Service

BATCH_POINTS, BATCH_MS = 5_000, 100
_SETTINGS = """module.exports = {
    flowFile: "flows.json", userDir: %s, uiHost: "127.0.0.1", uiPort: %d,
    httpAdminRoot: false, credentialSecret: false, telemetry: { enabled: false, updateNotification: false },
    externalModules: { autoInstall: false, palette: { allowInstall: false, allowUpload: false } },
    logging: { console: { level: "info", metrics: false, audit: false } },
};
"""
_THRESHOLD = """
const at = msg.topic.split("/");
const { t, ...fields } = msg.payload;
const firing = context.get("firing");
for (const name in fields) {
    const value = fields[name];
    if (value > 1000) firing.add(msg.topic + name);
    else if (firing.size > 0 && value < 999) firing.delete(msg.topic + name);
}
const row = { measurement: "bench", tags: { node: at[1], device: at[2] }, fields, timestamp: t };
"""
_EACH = _THRESHOLD + "msg.payload = [row];\nreturn msg;\n"
_BATCHED = _THRESHOLD + (
    'const rows = context.get("rows");\n'
    "rows.push(row);\n"
    'if (rows.length >= context.get("most")) node.send({ payload: rows.splice(0) });\n'
    "return null;\n"
)
_FIRST = 'context.set("firing", new Set());\n'
_FIRST_BATCHED = _FIRST + (
    'const rows = []; context.set("rows", rows); context.set("most", %d);\n'
    "setInterval(() => { if (rows.length > 0) node.send({ payload: rows.splice(0) }); }, %d);\n"
)


@dataclass(frozen=True, slots=True)
class Form:
    """How the flow is built.

    Attributes:
        batched: Whether rows are gathered; else each message is a request.
        per_message: Metrics in a message.
        qos: Of its subscription; 1 means a session that the broker keeps, too.
    """

    batched: bool
    per_message: int
    qos: int = 0


class NodeRed(Service):
    """A Node-RED that runs one flow.

    Args:
        folder: For its settings and log.
        form: The flow.
        broker: Where messages come from.
        store: Where rows go; it has the database "bench".
    """

    def __init__(self, folder: Path, form: Form, broker: Mosquitto, store: Influxd) -> None:
        super().__init__("node-red", folder)
        self._node, self._place = node_red()
        self._form, self._broker, self._store = form, broker, store
        self._logged = 0

    def command(self) -> list[str]:
        """Writes settings and flow."""
        self._logged = self.log.stat().st_size
        settings = self.folder / "settings.js"
        settings.write_text(_SETTINGS % (json.dumps(str(self.folder)), self.port), encoding="utf-8")
        (self.folder / "flows.json").write_text(json.dumps(self._flow()), encoding="utf-8")
        return [self._node, str(self._place / "node_modules" / "node-red" / "red.js"), "--settings", str(settings)]

    def ready(self) -> bool:
        """Whether it has connected to the broker since it was started."""
        return b"Connected to broker" in self.log.read_bytes()[self._logged :]

    def _flow(self) -> list[dict[str, object]]:
        form, store = self._form, urlsplit(self._store.url)
        most = max(1, BATCH_POINTS // form.per_message)
        return [
            {"id": "tab", "type": "tab", "label": "bench"},
            {
                "id": "broker",
                "type": "mqtt-broker",
                "broker": self._broker.host,
                "port": str(self._broker.port),
                "clientid": "node-red",
                "cleansession": form.qos == 0,
                "protocolVersion": "4",
                "keepalive": "60",
            },
            {
                "id": "in",
                "z": "tab",
                "type": "mqtt in",
                "broker": "broker",
                "topic": "bench/+/+",
                "qos": str(form.qos),
                "datatype": "json",
                "wires": [["rule"]],
            },
            {
                "id": "rule",
                "z": "tab",
                "type": "function",
                "func": _BATCHED if form.batched else _EACH,
                "initialize": _FIRST_BATCHED % (most, BATCH_MS) if form.batched else _FIRST,
                "outputs": 1,
                "wires": [["out"]],
            },
            {
                "id": "influx",
                "type": "influxdb",
                "hostname": store.hostname,
                "port": str(store.port),
                "protocol": "http",
                "database": "bench",
                "influxdbVersion": "1.x",
            },
            {"id": "out", "z": "tab", "type": "influxdb batch", "influxdb": "influx", "precision": "ms", "wires": []},
        ]
