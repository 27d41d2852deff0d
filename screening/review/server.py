"""The reading room as a web application of this machine alone."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from screening.errors import ScreeningError
from screening.iscn import problem_of
from screening.json_text import parsed
from screening.languages.spoken import said, told
from screening.record import Chromosome, Picture
from screening.review import drawings, pages, sentences
from screening.review.giving import given_from
from screening.review.guard import Guard
from screening.review.originals import Original, OriginalNotFound, png
from screening.review.pages import Visit
from screening.review.reread import reread
from screening.review.room import Query, Room
from screening.review.verdicts import MOST_ISCN, check_initials
from screening.worklist.ledger import LedgerError

if TYPE_CHECKING:
    from screening.report.relay import Relaid

_STATIC = {
    "base.css": ("report", "text/css"),
    "room.css": ("review/static", "text/css"),
    "room.js": ("review/static", "text/javascript"),
    "list.js": ("review/static", "text/javascript"),
    "case.js": ("review/static", "text/javascript"),
    "ahead.js": ("review/static", "text/javascript"),
}
_PAGE = {"cache-control": "no-store"}
_PICTURE = {"cache-control": "private, max-age=600"}
_FILE = {"cache-control": "private, max-age=86400, immutable"}
"""An address of the room is never used again: its token is another each time."""
_MOST_RELAID = 4
_COOKIE = "reader"


def application(room: Room, token: str, port: int) -> Guard:
    """Return the application (ASGI) that shows `room` at http://127.0.0.1:`port`/`token`/."""
    base = f"/{token}"
    shown = _Shown(room, base)
    get: dict[str, Callable[[Request], Response]] = {
        "/": shown.list, "/case/{key}": shown.case, "/agreement": shown.agreement,
        "/thumbnail/{key}": shown.thumbnail, "/original/{key}": shown.original,
        "/layout/{key}": shown.layout, "/relaid/{key}": shown.relaid,
        "/homologs/{key}": shown.homologs, "/iscn": shown.iscn, "/static/{name}": shown.static,
    }  # fmt: skip
    routes = [Route(base + path, call) for path, call in get.items()]
    routes += [
        Route(f"{base}/verdict", partial(_posted, shown.verdict), methods=["POST"]),
        Route(f"{base}/reader", partial(_posted, shown.set_reader), methods=["POST"]),
        Route(f"{base}/reread", partial(_posted, shown.reread), methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {
        ScreeningError: partial(_told, base), HTTPException: partial(_missing, base)
    }  # fmt: skip
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token, port)


class _Shown:
    """What each address answers."""

    def __init__(self, room: Room, base: str) -> None:
        self.room, self.base = room, base
        self._relaid_cells: OrderedDict[object, Relaid] = OrderedDict()
        self._is_warm = False

    def list(self, request: Request) -> Response:
        notice = ""
        try:
            if not self.room.is_current():
                self.room.reload()
        except LedgerError as error:
            notice = f"{error}. The list is that of the run before."
        query = Query.of(request.query_params)
        part = request.query_params.get("part") == "rows"
        page = pages.list_page(self._visit(request), query, notice, part)
        return HTMLResponse(page, headers=_PAGE)

    def case(self, request: Request) -> Response:
        if not self.room.is_current():
            self.room.reload()
        line = self.room.by_key.get(request.path_params["key"])
        if line is None:
            raise HTTPException(404, "There is no such case in this run.")
        number = _number(request.query_params.get("cell", "0"))
        page = pages.case_page(
            self._visit(request), line, min(number, len(line.cells) - 1),
            Query.of(request.query_params),
        )  # fmt: skip
        return HTMLResponse(page, headers=_PAGE)

    def agreement(self, request: Request) -> Response:
        number = _number(request.query_params.get("page", "1"))
        return HTMLResponse(pages.agreement_page(self._visit(request), number), headers=_PAGE)

    def thumbnail(self, request: Request) -> Response:
        content = self._picture(request).thumbnail
        if not content:
            raise HTTPException(404, "This picture has no thumbnail.")
        return Response(content, media_type="image/jpeg", headers=_PICTURE)

    def original(self, request: Request) -> Response:
        grey = self.room.originals.original(self._image(request)).grey
        return Response(png(grey), media_type="image/png", headers=_PICTURE)

    def layout(self, request: Request) -> Response:
        picture = self._picture(request)
        original = self.room.originals.original(picture.image)
        answer: dict[str, Any] = {"box": original.box, "size": original.grey.shape[::-1]}
        if picture.reading is not None:
            laid = self._relaid(picture, _classes(request))
            scale = np.array(laid.page.shape[1::-1] * 2)
            answer["relaid"] = (np.array(laid.boxes).reshape(-1, 4) / scale).round(5).tolist()
            answer["slots"] = {
                name: (np.array(box) / scale).round(5).tolist() for name, box in laid.slots.items()
            }
        warm = BackgroundTask(self._warm, picture, original)
        return JSONResponse(answer, headers=_PICTURE, background=warm)

    def relaid(self, request: Request) -> Response:
        picture = self._picture(request)
        if picture.reading is None:
            raise HTTPException(404, "The chromosomes of this picture were not read one by one.")
        page = self._relaid(picture, _classes(request)).page
        return Response(png(page), media_type="image/png", headers=_PICTURE)

    def homologs(self, request: Request) -> Response:
        picture, name = self._picture(request), request.query_params.get("name", "")
        reading = picture.reading
        if reading is None:
            raise HTTPException(404, "The chromosomes of this picture were not read one by one.")
        chromosomes = drawings.named(reading.chromosomes, _classes(request))
        original = self.room.originals.original(picture.image)
        turned = reading.orientation == "upside-down"
        made, scale = drawings.straightened(original, chromosomes, name, turned)
        if not made:
            raise HTTPException(404, f"No chromosome {name[:8]}: {sentences.NO_OUTLINES}.")
        rows = max(len(one.strip) for one in made)
        strips = [(o.place, chromosomes[o.place], png(o.strip), len(o.strip)) for o in made]
        as_compared = _places(reading.chromosomes, name) == _places(chromosomes, name)
        structure = reading.structure if as_compared else None  # the reader says otherwise by now
        part = pages.homologs_part(
            self._visit(request), name, strips, drawings.bands_png(name, rows), scale,
            _pair_of(picture, name) if structure is not None else None,
            structure.odds.get(name) if structure is not None else None,
        )  # fmt: skip
        return HTMLResponse(part, headers=_PAGE)

    def iscn(self, request: Request) -> Response:
        text = request.query_params.get("text", "").strip()[: MOST_ISCN + 1]
        problem = "it is too long" if len(text) > MOST_ISCN else problem_of(text) if text else ""
        return JSONResponse({"problem": said(problem)}, headers=_PAGE)

    def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            raise HTTPException(404, "Nothing here.")
        folder, kind = _STATIC[name]
        return Response(
            files("screening").joinpath(folder, name).read_bytes(), media_type=kind, headers=_FILE
        )

    def set_reader(self, request: Request, asked: dict[str, Any]) -> Response:
        initials = str(asked.get("initials", "")).strip()[:40]
        if initials:  # a reader may leave
            check_initials(initials)
        answer = JSONResponse({"reader": initials}, headers=_PAGE)
        answer.set_cookie(
            _COOKIE, initials.encode("utf-8").hex(), path=self.base, samesite="strict"
        )
        return answer

    def verdict(self, request: Request, asked: dict[str, Any]) -> Response:
        stored, line = given_from(self.room, asked)
        visit = self._visit(request, stored.initials)
        answer = JSONResponse(
            {
                "said": told(
                    "Stored: {what}, {decision}, by {initials}.",
                    what=stored.image or stored.case,
                    decision=said(stored.decision),
                    initials=stored.initials,
                ),  # fmt: skip
                "history": pages.history_part(visit, line),
                "readers": pages.readers_part(visit, line),
                "read": said(
                    sentences.read_so_far(
                        sum(map(visit.standing.is_read, self.room.lines)), len(self.room.lines)
                    )
                ),  # fmt: skip
            },
            headers=_PAGE,
        )
        answer.set_cookie(
            _COOKIE, stored.initials.encode("utf-8").hex(), path=self.base, samesite="strict"
        )
        return answer

    def reread(self, request: Request, asked: dict[str, Any]) -> Response:
        image = self.room.images.get(str(asked.get("key", "")), "")
        picture = self.room.run.pictures([image])[0].picture
        if picture.reading is None:
            raise HTTPException(404, "The chromosomes of this picture were not read one by one.")
        classes = {str(k): str(v) for k, v in dict(asked.get("classes") or {}).items()}
        anew = reread(picture.reading, classes, self.room.run.info.reading)
        marked = replace(
            picture.reading,
            chromosomes=tuple(drawings.named(picture.reading.chromosomes, classes)),
            gains_and_losses=anew.gains_and_losses,
        )
        boxes = pages.boxes_of(picture, marked)
        return HTMLResponse(pages.reread_part(self._visit(request), anew, boxes), headers=_PAGE)

    def _relaid(self, picture: Picture, classes: dict[str, str]) -> Relaid:
        """A cell re-laid; the last ones are kept, for the page asks for it and for its places."""
        asked = (picture.image, self.room.run.stamp, tuple(classes.items()))
        known = self._relaid_cells.get(asked)
        if known is None:
            assert picture.reading is not None
            original = self.room.originals.original(picture.image)
            chromosomes = drawings.named(picture.reading.chromosomes, classes)
            self._relaid_cells[asked] = known = drawings.relaid_cell(original, chromosomes)
            while len(self._relaid_cells) > _MOST_RELAID:
                self._relaid_cells.popitem(last=False)
        return known

    def _warm(self, picture: Picture, original: Original) -> None:
        """Bring in, once a first case is shown, what a click on it takes and is slow to import."""
        if not self._is_warm and picture.reading is not None:
            self._is_warm = True
            with contextlib.suppress(ScreeningError):
                drawings.straightened(original, picture.reading.chromosomes[:1], "1")
                reread(picture.reading, {"0": "1"}, self.room.run.info.reading)

    def _visit(self, request: Request, reader: str | None = None) -> Visit:
        if reader is None:
            try:
                reader = bytes.fromhex(request.cookies.get(_COOKIE, "")).decode("utf-8") or None
            except ValueError:
                reader = None
        return Visit(self.room, self.base, reader, self.room.standing(reader))

    def _image(self, request: Request) -> str:
        image = self.room.images.get(request.path_params["key"])
        if image is None:
            raise HTTPException(404, "There is no such picture in this run.")
        return image

    def _picture(self, request: Request) -> Picture:
        return self.room.run.pictures([self._image(request)])[0].picture


def _number(text: str) -> int:
    """The whole number that an address names, 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 7 else 0


def _classes(request: Request) -> dict[str, str]:
    """The classes that a person gave, of an address: "3:21,4:mar"."""
    text = unquote(request.query_params.get("classes", ""))
    pairs = [part.split(":") for part in text.split(",") if part.count(":") == 1]
    return {place: name for place, name in pairs if drawings.is_class(place, name)}


def _places(chromosomes: Sequence[Chromosome], name: str) -> list[int]:
    """Where the chromosomes of a class stand in the reading."""
    return [place for place, one in enumerate(chromosomes) if one.name == name]


def _pair_of(picture: Picture, name: str) -> tuple[str, bytes] | None:
    """The figure of the homologs of a class that differ, if the run made one."""
    structure = picture.reading.structure if picture.reading is not None else None
    if structure is None or len(structure.pairs) != len(picture.pairs):
        return None
    for pair, figure in zip(structure.pairs, picture.pairs, strict=True):
        if pair.name == name:
            return figure
    return None


async def _posted(
    call: Callable[[Request, dict[str, Any]], Response], request: Request
) -> Response:
    try:
        asked = parsed(await request.body())
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise HTTPException(400, "Expected a JSON object.")
    return await run_in_threadpool(call, request, asked)


def _told(base: str, request: Request, error: ScreeningError) -> Response:
    status = 404 if isinstance(error, OriginalNotFound) else 409
    return _sentence(base, request, status, str(error))


def _missing(base: str, request: Request, error: HTTPException) -> Response:
    return _sentence(base, request, error.status_code, str(error.detail))


def _sentence(base: str, request: Request, status: int, english: str) -> Response:
    sentence = said(english)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(pages.told_page(sentence, base), status, headers=_PAGE)
    return JSONResponse({"said": sentence}, status, headers=_PAGE)
