"""From config to store. Each kind's library is imported only when it is asked for: they cost 40 to 70 MB."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from frostline_cloud.store.config import StoreConfig
from frostline_cloud.store.port import Store
from frostline_core.config import secret
from frostline_core.errors import ConfigError

if TYPE_CHECKING:
    import httpx


def open_store(config: StoreConfig) -> Store:
    """The store that the config names. No server is contacted yet; `check` does that.

    Raises:
        ConfigError: A secret or a certificate file is missing.
        UnavailableError: The embedded store's file cannot be opened.
    """
    if config.kind == "embedded":
        return _embedded(config)
    if config.kind == "influxdb1":
        from frostline_cloud.store.influx_v1 import InfluxV1Store

        return InfluxV1Store(_http(config), config.database)
    if config.kind == "victoriametrics":
        return _victoria(config)
    from frostline_cloud.store.influx_v2 import InfluxV2Store, V2Target

    target = V2Target(config.url, config.database, config.org, _token(config), config.timeout_s, config.ca_file)
    return InfluxV2Store(target, _http(config), config.database)


def _victoria(config: StoreConfig) -> Store:
    from frostline_cloud.store.victoria import VictoriaStore
    from frostline_cloud.store.victoria_posts import Credentials, VictoriaPosts

    password = secret(config.password, "store.password") if config.password else ""
    credentials = Credentials(config.username, password, _token(config))
    posts = VictoriaPosts(config.url, credentials, config.timeout_s, _context(config.ca_file))
    return VictoriaStore(posts, _http(config), held=config.held)


def _embedded(config: StoreConfig) -> Store:
    from frostline_cloud.store.embedded import EmbeddedLimits, EmbeddedStore

    limits = EmbeddedLimits(config.memory_mb, config.threads, config.timeout_s, config.retention_days)
    return EmbeddedStore(config.path, limits)


def _http(config: StoreConfig) -> httpx.Client:
    import httpx

    token = _token(config)
    password = secret(config.password, "store.password") if config.password else ""
    return httpx.Client(
        base_url=config.url,
        auth=(config.username, password) if password else None,
        headers={"Authorization": f"Token {token}"} if token else {},
        timeout=config.timeout_s,
        verify=_trust(config.ca_file),
        trust_env=False,  # a proxy of the environment is for the web, not for the database
    )


def _trust(ca_file: str) -> ssl.SSLContext | bool:
    return _context(ca_file) if ca_file else True


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigError(f"store.ca_file: {ca_file}: {error.strerror or error}") from error


def _token(config: StoreConfig) -> str:
    return secret(config.token, "store.token") if config.token else ""
