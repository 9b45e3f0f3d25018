"""The page /docs, with a policy that runs its own scripts alone (CSP Level 3)."""

import base64
import hashlib
import re

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

DOCS_PATH = "/docs"
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def protect_docs(app: FastAPI) -> None:
    """Send the page /docs with its policy, and keep it out of foreign frames."""
    routes = app.router.routes
    [(place, page)] = [
        (place, route)
        for place, route in enumerate(routes)
        if isinstance(route, Route) and route.path == DOCS_PATH
    ]

    async def show_docs(request: Request) -> Response:
        response: Response = await page.endpoint(request)
        response.headers["Content-Security-Policy"] = build_policy(bytes(response.body))
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Frame-Options"] = "DENY"
        return response

    routes[place] = Route(DOCS_PATH, show_docs, include_in_schema=False)


def build_policy(html: bytes) -> str:
    """Build the policy of a page: resources of this server, and its inline scripts by digest."""
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in INLINE_SCRIPT.findall(html)
    ]
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *digests)),
            "style-src 'self' 'unsafe-inline'",  # Swagger UI sets style attributes
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
