"""Measure what a reader waits for in the reading room, what a kill costs, and whom it shuts out.

    python scripts/bench_review.py [--kills 50] [--turns 5]

Screens the demo with the shipped bundle and multiplies its records to 1,000 and 10,000 cases, all
of them read by two readers. Each wait is that of `screening review` and Chromium together: from the
command to the first page, from the address to a list that takes keys, from the key j to the next
case with its original, the re-laid cell and every chromosome there to be clicked. Then the server
is killed again and again while two readers give verdicts, and axe looks at every page in light and
dark, wide and narrow.
Writes reports/review.md; ends with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import http.client
import itertools
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from report_header import ROOT, add_report_arguments, begin, write

from screening.bundle import default_bundle, load_bundle
from screening.demo import demo_folder
from screening.metrics import markdown_table
from screening.review.verdicts import FILE_NAME as VERDICTS
from screening.review.verdicts import PersonVerdict, Verdicts
from screening.worklist.kept import read_run
from screening.worklist.ledger import FILE_NAME, Ledger
from screening.worklist.rows import CASE_COLUMNS, TRIAGE_COLUMNS
from screening.worklist.tables import csv_text, jsonl_text

SIZES = {1_000: 1.0, 10_000: 2.0}
"""Cases of a list, and the seconds after which it is to take keys."""
FIRST_PAGE, NEXT_CASE = 2.0, 0.2
LOOKED = 1000
"""Milliseconds for which a reader looks at a case at least."""
READY = "body[data-keys] .case-line"
CASE_READY = """() => document.body.dataset.keys
    && document.querySelector("#relaid .boxes rect") && !document.querySelector(".boxes[hidden]")
    && [...document.querySelectorAll(".sheet img, #relaid img")].every((i) => i.naturalWidth)"""
LOOKS = tuple((width, scheme) for width in (1440, 390) for scheme in ("light", "dark"))
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}
NO_NETWORKS = ("tensorflow", "onnxruntime", "torch")


Wait = tuple[float, float]
"""Seconds that a reader waited, and processor seconds of the server meanwhile."""


@dataclass(frozen=True)
class Bar:
    """What was found, the most that it may be (seconds; 0: of what there must be none), the
    `slowest` of the seconds, and the `worked` processor seconds of the server for one."""

    name: str
    found: float
    limit: float = 0.0
    slowest: float = 0.0
    worked: float = 0.0

    @property
    def met(self) -> bool:
        """Return whether the bar is met."""
        return self.found <= self.limit

    def row(self) -> tuple[str, ...]:
        """Return the row of the table."""
        if not self.limit:
            return self.name, f"{self.found:.0f}", "0", "met" if self.met else "missed", "", ""
        ratio = f"{self.found / self.limit:.2f}"
        return (self.name, f"{self.found:.2f} s", f"{self.limit:.1f} s", ratio,
                f"{self.slowest:.2f} s", f"{self.worked:.2f} s")  # fmt: skip


def timed(name: str, waited: list[Wait], limit: float) -> Bar:
    """Return the bar of a median."""
    seconds, worked = zip(*waited, strict=True)
    return Bar(name, statistics.median(seconds), limit, max(seconds), statistics.median(worked))


def chromium() -> str:
    """Return where Chromium is; SystemExit where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    if found is None:
        raise SystemExit("expected Chromium or Chrome on the path, found none")
    return found


class Server:
    """`screening review` as a person starts it."""

    def __init__(self, out: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "screening", "review", str(out), "--no-browser"],
            stdout=subprocess.PIPE, text=True, cwd=ROOT, env=HERE,
        )  # fmt: skip
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        if found is None:
            raise SystemExit(f"the reading room of {out} did not open")
        self.address = found[0]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def worked(self) -> float:
        """Return the processor seconds that the server has taken until now."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def networks(self) -> list[str]:
        """Return which libraries of networks the server has loaded."""
        mapped = Path(f"/proc/{self.process.pid}/maps").read_text()
        return [name for name in NO_NETWORKS if f"/{name}" in mapped]


def screened(scratch: Path) -> Path:
    """Return the output of a run of the shipped bundle over the demo, whose pictures it links."""
    folder = scratch / "in"
    shutil.copytree(demo_folder(), folder)
    words = ["screen", str(folder), "--out", str(scratch / "out"), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "screening", *words],
        cwd=ROOT, env=HERE,
    )  # fmt: skip
    if done.returncode not in (0, 3):
        raise SystemExit(f"the demo was not screened: status {done.returncode}")
    return scratch / "out"


def multiplied(out: Path, target: Path, cases: int) -> Path:
    """Return a run of so many cases in `target`: those of the run in `out` again and again, each
    cell with a record and a picture of its own name."""
    run = read_run(out)
    kept = [one.picture.to_dict() for one in run.pictures([line["image"] for line in run.lines])]
    pictures = target.with_name(f"{target.name}-in")
    with (out / "cases.csv").open(newline="", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    names = {case["case"]: [f"{case['case']}-{turn}" for turn in range(-(-cases // len(told)))]
             for case in told}  # fmt: skip
    wanted = {name for each in names.values() for name in each}
    wanted -= set(sorted(wanted)[cases:])
    target.mkdir()
    with Ledger.of_last_run(out / FILE_NAME) as ledger:
        last, info = ledger.last_run(), ledger.info()
    lines = []
    with Ledger(target / FILE_NAME, run.bundle, run.options) as ledger:
        ledger.begin({**last, "pictures": str(pictures)}, str(last["started"]),
                     info=info.model_dump_json())  # fmt: skip
        for line, picture in zip(run.lines, kept, strict=True):
            del picture["image"], picture["case"]
            rest = json.dumps(picture, separators=(",", ":"))[1:]
            copies = []
            for case in (one for one in names[line["case"]] if one in wanted):
                image = f"{case}/{Path(line['image']).name}"
                named = {"image": image, "case": case}
                record = f"{json.dumps(named, separators=(',', ':'))[:-1]},{rest}"
                which = (image, line["sha256"])
                copies.append((*which, run.bundle, run.options, line["status"], 1, record))
                lines.append({**line, **named})
                (pictures / image).parent.mkdir(parents=True, exist_ok=True)
                os.link(run.folder / line["image"], pictures / image)
            ledger.copy(copies, [(one[0], one[1], Path(one[0]).parent.name) for one in copies])
        ledger.finish(str(last["finished"]))
    cells = {row["case"]: row for row in told}
    rows = [cells[case.rpartition("-")[0]] | {"case": case}
            for case in dict.fromkeys(line["case"] for line in lines)]  # fmt: skip
    texts = {
        "triage.jsonl": jsonl_text(TRIAGE_COLUMNS, lines),
        "cases.csv": csv_text(CASE_COLUMNS, rows),
        "run.json": (out / "run.json").read_text("utf-8"),
    }
    for name, text in texts.items():
        (target / name).write_text(text, "utf-8")
    return target


def read_by_two(out: Path) -> Path:
    """Give a verdict of two readers on every case of a run; return its folder."""
    run, given = read_run(out), "2026-01-31T09:30:00.000+00:00"
    with Verdicts(out / VERDICTS) as store:
        store.take_over([
            PersonVerdict(case.case, decision, initials, id=uuid.uuid4().hex, given=given)
            for number, case in enumerate(run.cases)
            for initials, decision in (("AB", "normal"), ("CD", ("normal", "abnormal")[number % 2]))
        ])  # fmt: skip
    return out


def first_page(browser: Browser, out: Path) -> tuple[Wait, list[str]]:
    """Return the wait from the command to a list that takes keys in a browser that is open, and
    the networks' libraries that the server loaded."""
    page = browser.new_page()
    clock = time.perf_counter()
    with Server(out) as server:
        page.goto(server.address, wait_until="commit")
        page.wait_for_selector(READY)
        waited, loaded = (time.perf_counter() - clock, server.worked()), server.networks()
    page.close()
    return waited, loaded


def waits(browser: Browser, server: Server, turns: int) -> tuple[list[Wait], list[Wait]]:
    """Return the waits until the list takes a key, and until the next case is all there."""
    lists, cases = [], []
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    for _ in range(turns):
        clock, work = time.perf_counter(), server.worked()
        page.goto(server.address, wait_until="commit")
        page.wait_for_selector(READY)
        page.keyboard.press("j")
        page.wait_for_function("() => document.activeElement.matches('.open-case')")
        lists.append((time.perf_counter() - clock, server.worked() - work))
    page.keyboard.press("o")
    for _ in range(3 * turns):
        page.wait_for_function(CASE_READY)
        page.wait_for_timeout(LOOKED)
        before = page.url
        clock, work = time.perf_counter(), server.worked()
        page.keyboard.press("j")
        page.wait_for_url(lambda url: url != before, wait_until="commit")  # noqa: B023
        page.wait_for_function(CASE_READY)
        cases.append((time.perf_counter() - clock, server.worked() - work))
    page.close()
    return lists, cases


def lost_in_kills(out: Path, kills: int, seed: int) -> tuple[int, int]:
    """Return how many verdicts two readers were told to be stored, and how many of those are gone,
    over so many servers that were killed while they were given."""
    rng, told = random.Random(seed), []
    for turn in range(kills):
        with Server(out) as server:
            first = threading.Event()
            readers = [
                threading.Thread(target=give, args=(server.address, initials, turn, told, first))
                for initials in ("AB", "CD")
            ]
            for reader in readers:
                reader.start()
            first.wait(60)
            time.sleep(rng.uniform(0, 0.2))
        for reader in readers:
            reader.join()
    with Verdicts(out / VERDICTS) as store:
        kept = {verdict.note for verdict in store.all()}
    return len(told), len(set(told) - kept)


def give(address: str, initials: str, turn: int, told: list[str], first: threading.Event) -> None:
    """Give verdicts until the server is gone; note in `told` each that it said to have stored."""
    origin = address.rsplit("/", 2)[0]
    with contextlib.suppress(OSError, http.client.HTTPException):
        with urllib.request.urlopen(address) as answer:
            text = answer.read().decode("utf-8")
        (stamp,) = re.findall(r'data-stamp="(\w+)"', text)
        case = re.findall(r'class="case-line[^>]*data-key="(\w+)"', text)[0]
        for number in itertools.count():
            note = f"{initials}-{turn}-{number}"
            asked = {"case": case, "decision": "normal", "initials": initials, "note": note,
                     "stamp": stamp}  # fmt: skip
            headers = {"origin": origin, "content-type": "application/json"}
            body = json.dumps(asked).encode("utf-8")
            request = urllib.request.Request(f"{address}verdict", body, headers)
            with urllib.request.urlopen(request) as answer:
                answer.read()
            told.append(note)
            first.set()


def stands_in_the_way(browser: Browser, address: str) -> tuple[int, list[str]]:
    """Return how many pages axe looked at, and what it found that is serious or critical."""
    looked, found = 0, []
    for width, scheme in LOOKS:
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )

        def look(page: Page = page, width: int = width, scheme: str = scheme) -> None:
            nonlocal looked
            looked += 1
            found.extend(
                f"{width} px, {scheme}: {each['id']}: {each['nodes'][0]['html'][:160]}"
                for each in Axe().run(page).response["violations"]
                if each["impact"] in ("serious", "critical")
            )

        page.goto(address)
        page.wait_for_selector(READY)
        look()
        page.locator(".open-case").first.click()
        page.wait_for_function(CASE_READY)
        look()
        page.select_option("#choose", index=1)
        page.wait_for_selector(".homolog")
        page.locator(".rename input").first.fill("?")
        page.locator(".rename input").first.press("Tab")
        page.wait_for_selector("#reread h2")
        look()
        page.goto(f"{address}agreement")
        look()
        page.close()
    return looked, found


def main() -> int:
    """Run the benchmark and write the report; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    add_report_arguments(parser)
    args = parser.parse_args()
    commit, bars = begin(args), list[Bar]()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        scratch = Path(name)
        out = screened(scratch)
        runs = {
            cases: read_by_two(multiplied(out, scratch / f"of-{cases}", cases)) for cases in SIZES
        }
        load = os.getloadavg()[0]
        browser = started.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        for cases, run in runs.items():
            pages = [first_page(browser, run) for _ in range(args.turns)]
            bars.append(timed(f"{cases:,} cases: from the command to the first page",
                              [waited for waited, _ in pages], FIRST_PAGE))  # fmt: skip
            with Server(run) as server:
                lists, nexts = waits(browser, server, args.turns)
                loaded = {one for _, each in pages for one in each} | set(server.networks())
            bars.append(timed(f"{cases:,} cases: the list takes keys", lists, SIZES[cases]))
            bars.append(timed(f"{cases:,} cases: the next case is all there", nexts, NEXT_CASE))
            bars.append(Bar(f"{cases:,} cases: libraries of networks loaded", len(loaded)))
        with Server(out) as server:
            looked, found = stands_in_the_way(browser, server.address)
        browser.close()
        bars.append(Bar(f"axe on {looked} pages: serious or critical", len(found)))
        told, lost = lost_in_kills(out, args.kills, args.seed)
        bars.append(Bar(f"{args.kills} kills, {told:,} verdicts confirmed: lost", lost))
    columns = ("bar", "found", "limit", "found / limit", "slowest", "processor, server")
    body = f"""A reader's browser is open; medians of {args.turns} turns ({3 * args.turns} of the
next case, each looked at for {LOOKED / 1000:.0f} s before). The next case is all there when its
original, the re-laid cell and every chromosome on it can be seen and clicked. At nice {os.nice(0)};
{load:.1f} other processes wanted the {os.cpu_count()} cores when it began: seconds hang on that,
processor seconds hardly do. *Confirmed*: the reader was told that the verdict is stored.

{markdown_table(columns, [bar.row() for bar in bars])}
"""
    write(args, "review.md", "The reading room", commit, load_bundle(default_bundle()),
          "drawn karyograms, the demo", body)  # fmt: skip
    print(markdown_table(columns, [bar.row() for bar in bars]), *found, sep="\n")
    return int(not all(bar.met for bar in bars))


if __name__ == "__main__":
    sys.exit(main())
