"""InfluxDB 2 and 3: /api/v2/write through influxdb-client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from frostline_cloud.store.influx import InfluxStore
from frostline_cloud.store.line_writer import RefusedError
from frostline_core.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class V2Target:
    """Where /api/v2/write is.

    Attributes:
        url: Base URL.
        bucket: The bucket; its retention rules.
        org: Organization; "" where the server has none.
        token: API token; "" where the server asks for none.
        timeout_s: Of one request.
        ca_file: Certificates to trust instead of the usual ones; "" for the usual ones.
    """

    url: str
    bucket: str
    org: str = ""
    token: str = ""
    timeout_s: float = 10.0
    ca_file: str = ""


class V2Posts:
    """Posts lines by influxdb-client in SYNCHRONOUS mode: one request, no retry, an error for everything but success.

    Its batching mode keeps points in memory and drops them after its own retries, so it is not for us.
    """

    def __init__(self, target: V2Target) -> None:
        self._target = target
        self._client: Any = InfluxDBClient(  # its methods are not annotated
            url=target.url,
            token=target.token,
            org=target.org,
            timeout=int(target.timeout_s * 1000),
            ssl_ca_cert=target.ca_file or None,
        )
        self._api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def send(self, body: bytes) -> None:
        """Posts the lines of one request.

        Raises:
            UnavailableError: No success, and not for what the lines are.
            RefusedError: 400 or 422 (lines), 413 (length).
        """
        try:
            self._api.write(self._target.bucket, self._target.org, body, write_precision=WritePrecision.MS)
        except ApiException as error:
            reason = str(error.message or error.reason or error)[:300]
            if error.status in (400, 413, 422):
                raise RefusedError(reason, too_large=error.status == 413) from error
            raise UnavailableError(f"store write: HTTP {error.status}: {reason}") from error
        except urllib3.exceptions.TimeoutError as error:  # its own text differs each time, by microseconds
            raise UnavailableError(f"store write: no answer within {self._target.timeout_s:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnavailableError(f"store write: {error}") from error

    def close(self) -> None:
        """Closes the connections; the client alone would leave those of its pool to the collector."""
        if self._client.api_client is None:
            return
        pools = self._client.api_client.rest_client.pool_manager.pools
        for key in pools.keys():  # noqa: SIM118 - it is no dictionary
            pools[key].close()
        self._client.close()


class InfluxV2Store(InfluxStore):
    """A bucket of InfluxDB 2 (a DBRP mapping must name it for InfluxQL), or a database of InfluxDB 3.

    Args:
        target: Where to write.
        http: For /query, with base URL, credentials and time-out; the store closes it.
        database: The name that the DBRP mapping gives the bucket.
    """

    def __init__(self, target: V2Target, http: httpx.Client, database: str) -> None:
        super().__init__(V2Posts(target), http, database)
