"""The HTTP application: routers, access, errors and the border around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, RedirectResponse

from frostline_cloud.api import (
    account,
    alerts,
    closing,
    delivery,
    fleet,
    handling,
    health,
    imports,
    noise,
    notify,
    oncall,
    problems,
    reference,
    rules,
    series,
    silences,
)
from frostline_cloud.api.access import Access
from frostline_cloud.api.border import Border
from frostline_cloud.api.services import Services

V1: Final = "/api/v1"
DOCS: Final = "/api/docs"

_ABOUT = """What a sensor measured is in the database, or still on a gateway's disk, or listed as lost with a reason.

Times are UTC milliseconds since 1970; parameters take RFC 3339 too. Units are UCUM codes. Lists come in pages: pass
`next` as `cursor`. Errors are problem documents (RFC 9457). A value that is `stale` is not the present."""
_FAULTS = {
    401: "No token, or a wrong one.",
    403: "The role does not suffice.",
    404: "Nothing of that name is known.",
    409: "Things are not as the request supposes: a gateway is not online, a run is not in doubt, a device still is, "
    "an alert is not open.",
    422: "A parameter does not fit.",
    429: "Too many wrong tokens; wait as `Retry-After` says.",
    503: "SQL or the store does not answer; try again.",
}
_CONFLICTS = (
    "/refetch",
    "/write-off",
    "/retire",
    "/shelve",
    "/unshelve",
    "/silences",
    "/silences/preview",
    "/overrides",
    "/close",
    "/pauses",
    "/rules",
    "/rules/{rule_id}",
)
_PUBLIC = ("/healthz", "/readyz")


def build(services: Services) -> FastAPI:
    """The application, without the console (see `frostline_cloud.console.mount`).

    Raises:
        UnavailableError: SQL does not answer.
    """
    app = _application(
        services,
        (
            fleet.router,
            series.router,
            imports.router,
            alerts.router,
            handling.router,
            closing.router,
            silences.router,
            noise.router,
            rules.router,
            account.router,
            notify.router,
            oncall.router,
        ),
    )
    _describe(app)
    app.add_api_route("/api/{path:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"], include_in_schema=False)
    problems.install(app)
    app.add_middleware(Border)
    return app


def build_beside(services: Services) -> FastAPI:
    """The application of an ingest without a web side: health, metrics, the account, and what only ingest can do.

    Raises:
        UnavailableError: SQL does not answer.
    """
    app = _application(services, (account.router,))
    problems.install(app)
    app.add_middleware(Border)
    return app


def _application(services: Services, parts: Sequence[APIRouter]) -> FastAPI:
    app = FastAPI(title="Frostline", version=version("frostline"), openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    app.state.access = Access(services)
    app.include_router(health.router)
    v1 = APIRouter(prefix=V1)
    for part in (*parts, delivery.router):
        v1.include_router(part)
    app.include_router(v1)
    return app


def _unknown(path: str) -> None:
    """Below /api nothing falls through to the console's pages."""
    raise problems.not_found(f"/api/{path}")


def _describe(app: FastAPI) -> None:
    document = cache(partial(_openapi, app))  # a tenth of a second, for whoever asks first
    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way to extend the document

    @app.get(f"{V1}/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        return document()

    @app.get("/docs", include_in_schema=False)
    def where() -> RedirectResponse:
        return RedirectResponse(DOCS)

    @app.get(DOCS, include_in_schema=False, response_class=HTMLResponse)
    def docs() -> HTMLResponse:
        return HTMLResponse(reference.page(document()))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with our errors, which it cannot know of."""
    document = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    whole = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= whole.pop("$defs") | {"Problem": whole}
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in _PUBLIC:
                continue
            for status, description in _FAULTS.items():
                if _may_answer(path, method, status):
                    operation["responses"][str(status)] = {"description": description, "content": content}
    return document


def _may_answer(path: str, method: str, status: int) -> bool:
    if status == 404:
        return "{" in path or path.endswith("/series")
    return status != 409 or (method != "get" and path.endswith(_CONFLICTS))
