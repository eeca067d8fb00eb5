"""Chat through Apprise: what it would send to each service is caught by a proxy that speaks for all of them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import pytest

from frostline_cloud.notify.receivers.chat import Chat, ChatConfig, Service
from frostline_cloud.notify.receivers.chat.limits import LIMITS
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.samples import sample
from frostline_cloud.notify.stage import Stage
from frostline_cloud.notify.texts import Catalogue
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from tests.support.notices import certificate, message

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise imports it

HOSTS = ("qyapi.weixin.qq.com", "oapi.dingtalk.com", "open.feishu.cn", "hooks.slack.com", "open.larksuite.com")
TEAMS = "prod-01.westeurope.logic.azure.com"
TEXTS = Catalogue.read()
NOW_S = 1_769_860_800
KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
URLS = {
    "wecom": f"wecombot://{KEY}",
    "dingtalk": f"dingtalk://SECabcdef0123456789@{'a1' * 20}",
    "feishu": f"feishu://{KEY}",
    "lark": f"lark://{KEY}",
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "teams": f"workflows://{TEAMS}/643e69f83c8944438d68119179a10a64/KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A",
}


@dataclass(slots=True)
class Services:
    """The proxy: it answers for whatever host is asked for, and keeps what came."""

    tls: ssl.SSLContext
    status: int = 200
    answer: bytes = b"{}"
    location: str = ""
    came: list[tuple[str, str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)
    thread: Thread = field(init=False)

    def __enter__(self) -> Self:
        services = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20
            host = ""

            def do_CONNECT(self) -> None:
                self.host = self.path.partition(":")[0]
                self.send_response(200)
                self.end_headers()
                outer = self.rfile, self.wfile
                with services.tls.wrap_socket(self.connection, server_side=True) as inside:
                    self.rfile, self.wfile = inside.makefile("rb"), inside.makefile("wb")
                    self.handle_one_request()
                    self.rfile.close()
                    self.wfile.close()
                self.rfile, self.wfile = outer
                self.close_connection = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                services.came.append((self.host, self.path, json.loads(body)))
                services.sizes.append(len(body))
                self.send_response(services.status)
                if services.location:
                    self.send_header("location", services.location)
                self.send_header("content-length", str(len(services.answer)))
                self.end_headers()
                self.wfile.write(services.answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), *HOSTS, TEAMS)


@pytest.fixture
def services(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with Services(tls) as made:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{made.server.server_address[1]}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        yield made


@pytest.fixture
def chat(tmp_path: Path) -> Callable[..., Chat]:
    def make(service: str, url: str = "", **changes: Any) -> Chat:
        (tmp_path / "url").write_text(url or URLS[service])
        table = {"name": "group", "type": "chat", "service": service, "url": f"${{file:{tmp_path}/url}}"}
        return Chat(parse({**table, **changes}, ChatConfig, "test"), TEXTS)

    return make


async def sent(receiver: Chat) -> Attempt:
    attempt = await receiver.send(message(), NOW_S)
    await receiver.close()
    return attempt


@pytest.mark.parametrize(
    ("service", "host", "path", "where"),
    [
        ("wecom", "qyapi.weixin.qq.com", f"/cgi-bin/webhook/send?key={KEY}", ("text", "content")),
        ("dingtalk", "oapi.dingtalk.com", f"/robot/send?access_token={'a1' * 20}", ("text", "content")),
        ("feishu", "open.feishu.cn", f"/open-apis/bot/v2/hook/{KEY}", ("content", "text")),
        ("lark", "open.larksuite.com", f"/open-apis/bot/v2/hook/{KEY}", ("content", "text")),
        ("slack", "hooks.slack.com", "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", ()),
        ("teams", TEAMS, "/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths/invoke", ()),
    ],
)
async def test_each_service_gets_the_text_where_it_wants_it(
    services: Services, chat: Callable[..., Chat], service: str, host: str, path: str, where: tuple[str, ...]
) -> None:
    services.answer = b"ok" if service == "slack" else b'{"errcode": 0, "code": 0}'

    attempt = await sent(chat(service))

    ((to, at, said),) = services.came
    for key in where:
        said = said[key]
    assert (to, attempt) == (host, Attempt(Verdict.DELIVERED, 200))
    assert at.startswith(path)
    text = json.dumps(said, ensure_ascii=False).replace("\\", "")  # Teams gets Markdown, with escapes
    assert "Freezer too warm - hamburg room-1" in text
    assert "Measured: -12.5 °C" in text


async def test_chinese_arrives_as_it_is(services: Services, chat: Callable[..., Chat]) -> None:
    services.answer = b'{"errcode": 0}'

    await sent(chat("wecom", language="zh-Hans", time_zone="Asia/Shanghai"))

    ((_, _, said),) = services.came
    assert "测量值\uff1a-12.5 °C" in said["text"]["content"]


async def test_a_group_of_many_alerts_is_as_short_as_the_service_takes_and_keeps_its_link(
    services: Services, chat: Callable[..., Chat]
) -> None:
    services.answer = b'{"errcode": 0}'
    made = sample(Stage.GROUP, NOW_S * 1000, "https://cold.example.com")
    made |= {"fired": made["fired"] * 50, "counts": made["counts"] | {"fired": 50}}
    receiver = chat("wecom", language="zh-Hans")

    attempt = await receiver.send(Message("grp_1", "alert.group", json.dumps(made)), NOW_S)
    await receiver.close()

    ((_, _, said),) = services.came
    assert attempt.verdict is Verdict.DELIVERED
    assert len(said["text"]["content"].encode()) <= 2048
    assert "https://cold.example.com/acknowledge/sample" in said["text"]["content"]
    assert said["text"]["content"].rstrip().endswith("行未显示")


@pytest.mark.parametrize("service", ["dingtalk", "feishu", "lark", "slack", "teams"])
async def test_no_request_is_longer_than_the_service_takes(
    services: Services, chat: Callable[..., Chat], service: Service
) -> None:
    services.answer = b"ok" if service == "slack" else b'{"errcode": 0, "code": 0}'
    made = sample(Stage.GROUP, NOW_S * 1000, "https://cold.example.com")
    for each in made["fired"]:
        each["incident"]["summary"] = "冷库温度过高" * 200
    made |= {"fired": made["fired"] * 50, "counts": made["counts"] | {"fired": 50}}
    receiver = chat(service, language="zh-Hans")

    attempt = await receiver.send(Message("grp_1", "alert.group", json.dumps(made)), NOW_S)
    await receiver.close()

    assert attempt.verdict is Verdict.DELIVERED
    (size,) = services.sizes
    assert size <= LIMITS[service].most_bytes


@pytest.mark.parametrize("service", ["wecom", "slack"])  # the library reads the answers of the second itself
async def test_an_answer_that_is_nested_too_deeply_is_tried_again(
    services: Services, chat: Callable[..., Chat], service: str
) -> None:
    services.answer = b"[" * 60_000

    attempt = await sent(chat(service))

    assert attempt.verdict is Verdict.RETRY
    assert "nested too deeply" in attempt.error or "RecursionError" in attempt.error


@pytest.mark.parametrize(
    ("service", "answer"),
    [
        ("wecom", b'{"errcode": 93000, "errmsg": "invalid webhook url"}'),
        ("dingtalk", b'{"errcode": 310000, "errmsg": "sign not match"}'),
        ("feishu", b'{"code": 19001, "msg": "param invalid"}'),
    ],
)
async def test_a_no_in_the_body_of_a_200_is_no_delivery(
    services: Services, chat: Callable[..., Chat], service: str, answer: bytes
) -> None:
    services.answer = answer

    attempt = await sent(chat(service))

    said = json.loads(answer)
    assert (attempt.verdict, attempt.status) == (Verdict.RETRY, 200)
    assert str(said.get("errcode", said.get("code"))) in attempt.error
    assert said.get("errmsg", said.get("msg")) in attempt.error


@pytest.mark.parametrize(
    ("status", "verdict"), [(500, Verdict.RETRY), (403, Verdict.RETRY), (429, Verdict.RETRY), (410, Verdict.GONE)]
)
@pytest.mark.parametrize("service", ["wecom", "slack", "teams"])
async def test_the_status_says_what_follows(
    services: Services, chat: Callable[..., Chat], service: str, status: int, verdict: Verdict
) -> None:
    services.status, services.answer = status, b"no"

    attempt = await sent(chat(service))

    assert (attempt.verdict, attempt.status) == (verdict, status)


async def test_a_redirect_is_not_followed(services: Services, chat: Callable[..., Chat]) -> None:
    services.status, services.location = 302, "https://open.feishu.cn/elsewhere"

    attempt = await sent(chat("wecom"))

    assert attempt.verdict is Verdict.RETRY
    assert len(services.came) == 1


async def test_the_log_does_not_show_the_token(services: Services, chat: Callable[..., Chat]) -> None:
    services.status, services.answer = 400, f"unknown key {KEY}".encode()

    attempt = await sent(chat("wecom"))

    assert KEY not in attempt.error
    assert "unknown key ***" in attempt.error


async def test_no_connection_is_worth_a_retry(chat: Callable[..., Chat], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert await sent(chat("slack")) == Attempt(Verdict.RETRY, error="no connection, or no answer")


@pytest.mark.parametrize(
    ("service", "url"), [("wecom", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"), ("slack", "nonsense")]
)
def test_a_url_of_another_service_is_refused(chat: Callable[..., Chat], service: str, url: str) -> None:
    with pytest.raises(ConfigError, match=f"is none of {service}"):
        chat(service, url)


def test_the_services_own_address_is_understood_too(chat: Callable[..., Chat]) -> None:
    chat("wecom", f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}")
