"""The live page as a web application: on this machine only, for reading only."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockqnn.dashboard import page
from blockqnn.dashboard.trials import STATES
from blockqnn.dashboard.watch import Watch
from blockqnn.errors import InputError
from blockqnn.pages.chart_markup import plotly, text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
_HOSTS = ["127.0.0.1", "localhost"]  # names under which it answers: no other site's
_SOONEST, _LEAST = 2.0, 0.5  # seconds between two looks; until a browser asks again
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
        self._filled: dict[int, tuple[int, dict[str, Any]]] = {}  # by run: version, what was told
        self._rested: dict[int, float] = {}  # by run: until when it is not looked at

    @property
    def watches(self) -> list[Watch]:
        if not self._watches:
            self._watches = [Watch(directory) for directory in self.directories]
        return self._watches

    def look(self, number: int) -> Watch:
        """The run as it is now, or was when it was last looked at, if that was just now."""
        watch = self.watches[number]
        if not self.again(number):
            with self._resting_after(number):
                watch.look()
        return watch

    def filled(self, number: int) -> tuple[int, dict[str, Any]]:
        """Version, and what the page of the run is filled with."""
        watch = self.look(number)
        if number not in self._filled or self._filled[number][0] != watch.version:
            with self._resting_after(number):
                self._filled[number] = watch.version, page.run_state(watch)
        return self._filled[number]

    def again(self, number: int) -> float:
        """Seconds until the run is looked at again."""
        return max(0.0, self._rested.get(number, 0.0) - time.monotonic())

    @contextmanager
    def _resting_after(self, number: int) -> Iterator[None]:
        begun = time.process_time()
        yield
        rest = max(_SOONEST, _IDLE * (time.process_time() - begun))
        self._rested[number] = max(self._rested.get(number, 0.0), time.monotonic() + rest)


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
        number = number_of(request)
        version, told = runs.filled(number)
        if request.query_params.get("known") == str(version):
            told = {}
        now = {
            "version": version,
            "again": max(_LEAST, runs.again(number)),
            **page.standing(runs.watches[number]),
        }
        return JSONResponse({**told, **now}, headers=_HEADERS)

    async def all_states(_: "Request") -> "Response":
        numbers = range(len(directories))
        watches = [runs.look(number) for number in numbers]
        answer = {
            "version": time.monotonic_ns(),  # always new: how long ago a run changed stands in it
            "again": max(_LEAST, *map(runs.again, numbers)),
            "state": f"{len(watches)} runs.",
            "parts": {"overview": page.overview(watches)},
        }
        return JSONResponse(answer, headers=_HEADERS)

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
            Route("/charts.js", script(lambda: text("blockqnn.pages", "charts.js"))),
            Route("/live.js", script(lambda: text("blockqnn.dashboard", "live.js"))),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)],
        exception_handlers={InputError: wrong},
    )
