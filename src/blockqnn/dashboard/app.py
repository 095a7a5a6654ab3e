"""The live page as a web application: on this machine only, for reading only."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockqnn.dashboard import page
from blockqnn.dashboard.trials import STATES
from blockqnn.dashboard.watch import Watch
from blockqnn.errors import InputError
from blockqnn.report.chart_markup import plotly, text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
_HOSTS = ["127.0.0.1", "localhost", "[::1]"]  # names under which it answers: no other site's
_SOONEST = 2.0  # seconds between two looks
_IDLE = 80.0  # times as long as it worked it rests: at most 1.3 percent of a core, and what is sent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src data: blob:;"
    " style-src 'unsafe-inline'; script-src 'self' 'unsafe-eval'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _Runs:
    """The runs that are looked at, opened by the thread that answers."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self.directories = directories
        self._watches: list[Watch] = []
        self._answers: dict[int, tuple[int, dict[str, Any]]] = {}  # by run: version, what was told
        self._rested: dict[int, float] = {}  # by run: until when it is not looked at

    @property
    def watches(self) -> list[Watch]:
        if not self._watches:
            self._watches = [Watch(directory) for directory in self.directories]
        return self._watches

    def state(self, number: int) -> tuple[int, dict[str, Any], float]:
        """Version, what the page is filled with, and after how many seconds to ask again."""
        watch, now = self.watches[number], time.monotonic()
        if now >= self._rested.get(number, 0.0) or number not in self._answers:
            begun = time.process_time()
            changed = watch.look()
            if changed or number not in self._answers:
                self._answers[number] = watch.version, page.run_state(watch)
            rest = max(_SOONEST, _IDLE * (time.process_time() - begun))
            self._rested[number] = now + rest
        version, told = self._answers[number]
        return version, {**told, **page.standing(watch)}, max(0.5, self._rested[number] - now)


def application(directories: Sequence[Path]) -> "Starlette":
    """Pages `/` and `/run/N`, their values as JSON, and the scripts."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
    from starlette.routing import Route

    runs = _Runs(directories)
    several = len(directories) > 1

    def number_of(request: "Request") -> int:
        number = int(request.path_params["number"])
        if number >= len(directories):
            raise InputError(f"run {number}: there are 0 to {len(directories) - 1}")
        return number

    async def index(_: "Request") -> "Response":
        if not several:
            return RedirectResponse("/run/0", headers=_HEADERS)
        main = '<h1>Searches</h1><p id="state" role="status"></p><div id="overview"></div>'
        return HTMLResponse(page.frame("searches", main, "/all"), headers=_HEADERS)

    async def run(request: "Request") -> "Response":
        number = number_of(request)
        return HTMLResponse(page.run_frame(runs.watches[number], number, several), headers=_HEADERS)

    async def state(request: "Request") -> "Response":
        version, told, again = runs.state(number_of(request))
        if request.query_params.get("known") == str(version):
            told = {key: told[key] for key in ("share", "state")}
        return JSONResponse({**told, "version": version, "again": again}, headers=_HEADERS)

    async def all_states(_: "Request") -> "Response":
        told = [runs.state(number) for number in range(len(directories))]
        return JSONResponse(
            {
                "version": sum(version for version, _, _ in told) * len(told) + int(time.time() // 2),
                "again": max(again for _, _, again in told),
                "state": f"{len(told)} runs.",
                "parts": {"overview": page.overview(runs.watches)},
            },
            headers=_HEADERS,
        )

    async def trials(request: "Request") -> "Response":
        state, offset = request.query_params.get("state", "all"), request.query_params.get("offset", "0")
        if state not in ("all", *STATES) or not offset.isdecimal() or len(offset) > 9:
            return PlainTextResponse("no such trials", 400, headers=_HEADERS)
        watch = runs.watches[number_of(request)]
        return HTMLResponse(page.trials(watch, state, int(offset)), headers=_HEADERS)

    def script(content: "Any") -> "Any":
        async def answer(_: "Request") -> "Response":
            return PlainTextResponse(content(), media_type="text/javascript", headers=_HEADERS)

        return answer

    async def wrong(_: "Request", error: Exception) -> "Response":
        return PlainTextResponse(str(error), 404, headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/run/{number:int}", run),
            Route("/run/{number:int}/state", state),
            Route("/run/{number:int}/trials", trials),
            Route("/all/state", all_states),
            Route("/plotly.js", script(plotly)),
            Route("/charts.js", script(lambda: text("blockqnn.report", "charts.js"))),
            Route("/live.js", script(lambda: text("blockqnn.dashboard", "live.js"))),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)],
        exception_handlers={InputError: wrong},
    )
