"""Who may ask the reading room: this machine's browser, at the address that was printed, no page
of anybody else."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from screening.languages.spoken import said

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_MOST_BODY = 64 * 1024


class Guard:
    """Lets through what names this server as its host, begins with the token and, where it would
    change something, comes from a page of this server. Adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (n.encode(), v.encode())
                        for n, v in HEADERS.items()
                        if n.encode() not in known
                    ),
                ]
            await send(message)

        problem = self._problem(Request(scope))
        if problem is not None:
            answer = PlainTextResponse(said(problem[1]), problem[0])
            await answer(scope, receive, with_headers)
        else:
            await self.app(scope, receive, with_headers)

    def _problem(self, request: Request) -> tuple[int, str] | None:
        host = request.headers.get("host", "")
        if host not in self.hosts:
            return 421, "This reading room answers at its own address on this machine only."
        token = request.url.path.split("/")[1] if "/" in request.url.path else ""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return 404, "Nothing here: open the address that `screening review` printed."
        if request.method in ("GET", "HEAD"):
            return None
        origin = request.headers.get("origin", "")
        if origin.removeprefix("http://") not in self.hosts or not origin.startswith("http://"):
            return 403, "A verdict is taken from a page of this reading room only."
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _MOST_BODY:
            return 413, f"Expected at most {_MOST_BODY} bytes."
        return None
