"""The page in every language: no sentence missing, nothing left in English, nothing said more
surely than in English."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest

import test_words
from pictures import jpeg, reading
from review_room import write_run
from screening import words
from screening.bundle_schema import EXPECTED_KINDS, StructureInfo
from screening.classes import FLAG, LOW_PRIORITY, NUMERICAL, REVIEW
from screening.cli import main
from screening.demo import demo_folder
from screening.evidence.fusion import Fusion
from screening.evidence.witnesses import KNOWN, labels_of
from screening.languages.catalogue import Catalogue
from screening.languages.spoken import ENGLISH, LANGUAGES, language, said, speaking, told
from screening.languages.templates import Template
from screening.promises import certificate_sentence
from screening.record import Picture, Verdict
from screening.report import glossary
from screening.report.work_list import WorkList, render, render_card, render_paper
from screening.review.room import Room, key_of
from screening.triage.rule import Rule
from screening.uncertainty.venn_abers import VennAbers
from screening.worklist.left_out import LeftOut
from test_report import row, view
from test_review_sentences import SAID, functions
from test_review_server import HOME, TOKEN, give, visitor

PACKAGE = Path(__file__).resolve().parents[1] / "screening"
OTHERS = tuple(name for name in LANGUAGES if name != ENGLISH)
CATALOGUES = {name: Catalogue.of(name) for name in OTHERS}
KINDS = {"stated", "structure_covered", "counted", "first_of", "structure_sentence"}
"""Sentences that only stand within others, or on no page."""
TOLD_IN = (
    "images/read", "images/dicom", "images/quality", "images/kinds", "images/tiff_pages",
    "images/frames", "karyogram/gate", "karyogram/compact", "evidence/sizes", "evidence/homologs",
    "triage/findings", "triage/policy", "triage/cases", "worklist/guard", "worklist/discover",
    "worklist/crops", "worklist/run", "worklist/rebuild", "worklist/outputs",
    "worklist/left_out", "worklist/pipeline", "worklist/work_list_page", "uncertainty/shift",
    "bands", "report/overlay", "report/counts", "review/sentences", "review/server", "review/room",
    "review/giving", "review/verdicts", "review/originals", "review/reread", "review/guard", "iscn",
    "worklist/kept", "worklist/remote", "worklist/parted",
)  # fmt: skip
"""Modules beside words, promises and glossary whose sentences reach the page."""
OF_NO_PAGE = re.compile(
    r"[<{\\]|--resume to keep|try --batch|free memory|not enough memory to score|pictures at once"
    r"|research use only|^expected grey|^end of$|like the calibration cases|too few to compare"
    r"|CREATE TABLE|^unable to open$|that PNG can hold"
    r"|^it does not exist|^no credentials|give credentials by|^address$|: check the credentials"
    r"|: check address and network|in the folder of this program"
)
"""Of those modules: markup, patterns, and what only the terminal or `evaluate` says."""
CLEARED = {
    "de": r"entwarn|freigegeben|unbedenklich|erledigt",
    "es": r"descartada? como|aprobad|sin riesgo|resuelt",
    "fr": r"validé|innocent|sans risque|réglé",
    "zh": r"排除异常|放行|无异常|已排除疾病",
}
"""What low priority must never sound like."""


def english() -> set[str]:
    """Every sentence of the words of the tool, as it may stand on a page."""
    found = set()
    for name, cases in test_words.SENTENCES.items():
        if name in KINDS:
            continue
        waiting = [test_words.FUNCTIONS[name](*case) for case in cases]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                found.add(one)
            else:
                waiting += one
    found |= {functions()[name](*values) for name, cases in SAID.items() for values in cases}
    within = {*words.ABNORMALITY.values(), words.NOT_JUDGED, words.MANY_UNSEEN}
    signs = {*words.ICONS.values(), *EXPECTED_KINDS, *test_words.SCOPES, glossary.ONLY_FOUND, ""}
    return (found | set(test_words.CONSTANTS)) - within - signs


ENGLISH_SENTENCES = sorted(english())


@pytest.mark.parametrize("name", OTHERS)
def test_every_sentence_of_the_tool_is_said(name):
    catalogue = CATALOGUES[name]
    assert len(ENGLISH_SENTENCES) > 500
    missing = [one for one in ENGLISH_SENTENCES if catalogue.translated(one, "") is None]
    assert not missing
    for one in ENGLISH_SENTENCES:
        here = catalogue.said(one)
        assert not re.search(r"[{}]|None", here) and here == here.strip(), (one, here)
        assert not re.search(CLEARED[name], here, re.IGNORECASE), (one, here)


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_lacks_no_message_and_no_field(name):
    every = {(kind, one) for kind, known in CATALOGUES["de"].messages.items() for one in known}
    catalogue = CATALOGUES[name].messages
    assert {(kind, one) for kind, known in catalogue.items() for one in known} == every
    for kind, one in every:
        here = catalogue[kind][one]
        assert here or kind == "between", one
        assert set(Template(here).fields) == set(Template(one).fields), (one, here)
        asked = set(re.findall(r"\{(\w+)\?", here))
        assert asked <= {each.name for each in Template(one).fields.values() if each.kind == "n"}
        if name == "zh":
            assert not asked, here


def drawn_messages() -> set[str]:
    """What the templates and drawings of the page ask for by its English template."""
    found = set()
    for path in (*(PACKAGE / "report").glob("*.jinja"), *(PACKAGE / "review").rglob("*.jinja")):
        found |= set(re.findall(r'\b_\("([^"]+)"', path.read_text("utf-8")))
    for path in (*(PACKAGE / "report").glob("*.py"), *(PACKAGE / "review").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "told":
                found.add(ast.literal_eval(node.args[0]))
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_every_message_of_the_templates_is_there(name):
    messages = drawn_messages()
    assert len(messages) > 50
    assert not messages - set(CATALOGUES[name].messages[""])


def sentences_in(name: str) -> set[str]:
    """The fixed parts of all sentences of a module, but those of errors that end a run."""
    tree = ast.parse((PACKAGE / f"{name}.py").read_text("utf-8"))
    of_a_page = "" if name.startswith(("review/", "worklist/kept")) else "ImageError"
    left = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else None
        if call is not None and of_a_page not in ast.dump(call):
            left |= {id(each) for each in ast.walk(call)}
    parts = {
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left
    }  # fmt: skip
    return {part for part in parts if re.search(r"[a-z]{2} [a-z]{2,} ?", part)}


def test_every_sentence_of_a_picture_a_case_and_a_run_is_known():
    """By the fixed parts between their fields: a sentence that nobody entered is found here."""
    known = []
    for messages in CATALOGUES["de"].messages.values():
        for one, place in product(messages, (0, 1)):
            forms = re.sub(r"\{\w+\?([^{}]*)\}", lambda f, p=place: f[1].split("|")[p], one)
            known.append(re.sub(r"\{\w+[^{}]*\}", "\0", forms))
    text = "\n".join(known)
    unknown = {
        (name, part) for name in TOLD_IN for part in sentences_in(name)
        if part.strip(" :,(?") not in text and not OF_NO_PAGE.search(part)
    }  # fmt: skip
    assert not unknown


class Texts(HTMLParser):
    """Everything of a page that a person reads."""

    READ = ("title", "alt", "aria-label", "placeholder", "data-found", "data-part")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")
        self.found += [value for name, value in attrs if name in self.READ and value]

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.hidden and data.strip():
            self.found.append(" ".join(data.split()))


def read(page: str) -> list[str]:
    texts = Texts()
    texts.feed(page)
    return texts.found


def everything() -> WorkList:
    """A work list with every part that a page can have."""
    odd = test_words.structure("longer", "t(9;22)(q34;q11.2)")
    trisomy = reading("+21", structure=odd, karyotypes=(("47,XX,+21", 0.97), ("46,XX", 0.02)))
    trisomy = replace(trisomy, chromosomes=tuple(
        replace(one, doubtful=i == 3, misplaced=i == 5, position="9" if i == 5 else one.position)
        for i, one in enumerate(trisomy.chromosomes)
    ))  # fmt: skip
    shown = {"thumbnail": jpeg((320, 240)), "heat": b"png", "changed": b"png"}
    reasons = (
        words.by_calibration(FLAG, 0.94, 1.0, NUMERICAL, 0.25),
        words.karyotype(("+21",), "47,XX,+21", 0.97),
        words.structural_doubt(odd), words.doubtful(["21", "21", "X"]), words.misplaced("X", "9"),
        "3 chromosomes end at the picture's border: cut off?",
    )  # fmt: skip
    crops = (("21 (0.97), in position 22", jpeg()), ("not one chromosome (0.60)", jpeg()))
    pairs = ((words.pair_caption(odd.pairs[0]), jpeg()), ("the two chromosomes 22 differ", jpeg()))
    flagged = row(
        "P1/a.png", FLAG, case="P1", reading=trisomy, crops=crops * 9, pairs=pairs,
        contributions=dict.fromkeys(labels_of(KNOWN), 0.7), **shown,
    )  # fmt: skip
    verdict = replace(flagged.judged, reasons=reasons, interval=(0.94, 1.0))
    flagged = replace(flagged, verdict=verdict)
    normal = row("P1/b.png", LOW_PRIORITY, case="P1", reading=reading(), **shown)
    calm = words.by_calibration(LOW_PRIORITY, 0.0, 0.04, NUMERICAL, 0.25)
    normal = replace(normal, verdict=replace(normal.judged, reasons=(calm,)))
    why = "the picture is damaged and cannot be decoded (its header is truncated)"
    torn = Picture("P2/torn.png", "P2", verdict=Verdict(REVIEW, reasons=(why,)))
    unread = row("P3/c.png", REVIEW, case="P3", objects=47, **shown)
    unread = replace(unread, verdict=replace(
        unread.judged, reasons=(words.undecided(1, 10, 8), words.objects_counted(47, 46)),
    ))  # fmt: skip
    left_out = LeftOut.of([(".csv", "a.csv"), ("hidden", ".b"), ("without suffix", "c")])
    rule = Rule(
        0.04, flag_threshold=0.5, fusion=Fusion(1.97, {}), scope=NUMERICAL, covers=0.25,
        venn_abers=VennAbers([(0.1, 1, 0), (0.9, 1, 1)]),
    )  # fmt: skip
    facts = (
        ("bundle", "b" * 64), ("pictures", "4, of which 3 were judged in this run"),
        ("rule", "calibrated"), ("votes abnormal", "a pass with p(abnormal) of 0.04 or more"),
        ("minimum confidence", "0.80"), ("passes", "100"), ("seed", "7"), ("device", "cpu"),
        ("engine", "none"), ("started, finished (UTC)", "2026-11-29T10:00:00+00:00"),
        ("other files ignored", str(left_out)),
    )  # fmt: skip
    known: StructureInfo = test_words.covered(46, 0.25)
    return view(
        flagged, normal, torn, unread, rule=rule, title="Karyogram screening: work list",
        facts=facts, notes=("saved/ holds the outputs and was not searched",
        words.left_out(str(left_out))), labels=labels_of(KNOWN), structure=known,
        certificate=certificate_sentence(test_words.certificate(2, 1, 4, 0.5, 0.01)),
        warnings=("the run was broken off: 4 of 9 pictures are judged, the others are not listed; "
                  "the same command with --resume goes on",),
        originals={"P1/a.png": "a.png"},
    )  # fmt: skip


SAME = re.compile(
    r"P\d|‹ P\d|P\d ›|(P\d/)?\w+\.png|b{64}|none|cpu|2026\S*|[▲●▽] ?(AB|CD)?"
    r"|[\d.,<>½ %:;+()XYA-G?▲▼‹›–−×≠/-]+|\d\d,X[XY],?[+\d]*|mar|ISCN|[a-z]|cut short"
)
"""Names, ISCN, keys and signs: the same in every language."""
_ALIKE = {"original", "Original", "normal", "0 normal", "▽ normal", "AB: normal"}
ALIKE = {
    "de": {"Position", "Original"},
    "es": _ALIKE,
    "fr": _ALIKE | {"inversion", "translocation", "duplication", "isochromosome", "note", "verdict",
                    "verdicts"},
    "zh": set(),
}  # fmt: skip
"""Words that happen to be spelt as in English."""


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("draw", [render, render_paper, render_card])
def test_nothing_on_a_page_is_left_in_english(name, draw):
    work_list = replace(everything(), title="P1/a.png") if draw is render_card else everything()
    before = draw(work_list)
    with speaking(name):
        after = draw(work_list)
    assert f'<html lang="{name}">' in after and '<html lang="en">' in before
    pairs = list(zip(read(before), read(after), strict=True))
    assert len(pairs) > 100
    left = {one for one, other in pairs if one == other and not SAME.fullmatch(one)}
    assert not sorted(left - ALIKE[name])
    assert draw(work_list) == before  # the language does not stay


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A reading room in which two readers differ."""
    folder = tmp_path_factory.mktemp("run")
    cells = {"P1/1.png": "+21", "P1/2.png": "+21", "P2.png": ""}
    write_run(folder / "out", folder / "in", cells, failed=["P3.png"])
    opened = Room(folder / "out")
    for initials, said_so in (("AB", "normal"), ("CD", "abnormal"), ("AB", "cannot say")):
        assert give(visitor(opened), opened, "P1", said_so, initials=initials).is_success
    cell = {"cell": key_of("P1/1.png"), "classes": {"0": "2"}}
    assert give(visitor(opened), opened, "P1", "redo", **cell).is_success
    yield opened
    opened.close()


def pages_of(room: Room) -> list[str]:
    """Every page and part of a reading room, as the browser gets it."""
    client, key = visitor(room), key_of("P1/1.png")
    asked = [
        "", "?part=rows&q=nothing", f"case/{key_of('P1')}", f"case/{key_of('P2')}",
        f"case/{key_of('P3')}", "agreement", f"homologs/{key}?name=21", "case/unknown",
    ]  # fmt: skip
    seen = [client.get(f"/{TOKEN}/{path}", headers={"accept": "text/html"}) for path in asked]
    anew = {"key": key, "classes": {"0": "2"}}
    seen.append(client.post(f"/{TOKEN}/reread", json=anew, headers={"origin": HOME}))
    return [one.text for one in seen]


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_in_the_reading_room_is_left_in_english(room, name):
    before = pages_of(room)
    with speaking(name):
        after = pages_of(room)
        stored = give(visitor(room), room, "P2", "normal").json()
        wrong = visitor(room).get(f"/{TOKEN}/iscn?text=47,XX").json()
        gone = visitor(room).get(f"/{TOKEN}/original/unknown").json()
    assert f'<html lang="{name}">' in after[0]
    pairs = [pair for one in zip(before, after, strict=True) for pair in
             zip(read(one[0]), read(one[1]), strict=True)]  # fmt: skip
    assert len(pairs) > 300
    left = {one for one, other in pairs if one == other and not SAME.fullmatch(one)}
    assert not sorted(left - ALIKE[name])
    for english, here in (
        ("Stored: P2, normal, by AB.", stored["said"]), ("There is no such", gone["said"]),
        ("47 chromosomes are named", wrong["problem"]),
    ):  # fmt: skip
        assert here and english not in here


def test_the_reading_room_is_searched_in_its_language(room):
    with speaking("de"):
        room.reload()
        rows = visitor(room).get(f"/{TOKEN}/?part=rows&q=auffällig aus").text
        assert "P1" in rows and "open-case" in rows
    room.reload()
    assert "open-case" not in visitor(room).get(f"/{TOKEN}/?part=rows&q=auffällig aus").text


def test_what_was_chosen_not_to_be_said_stays_as_it_is():
    """Names of files and cases, karyotypes, and the words of other people's errors."""
    named = row("flag", REVIEW, case="print", reading=reading("+21"), thumbnail=jpeg())
    with speaking("de"):
        page = render(view(named))
        assert said("decoder error -2; see the log") == "decoder error -2; see the log"
        assert said("cannot be read (Input/output error)").endswith("(Input/output error)")
    with speaking("zh"):
        assert said("decoder error -2; see the log") == "decoder error -2; see the log"
    assert '<p class="name" data-find>flag</p>' in page
    assert "<span data-find>print</span>" in page and "47,XX,+21" in page


def test_numbers_and_plurals_are_each_languages_own():
    with speaking("de"):
        assert said("0.97") == "0,97" and said("<1 %") == "<1 %"
        assert said("1,024×768 pixels: an empty picture") == "1\u202f024×768 Pixel: ein leeres Bild"
    cells = {
        "de": ("0 von 1 Zelle sehen", "1 von 2 Zellen sieht"),
        "es": ("0 de 1 célula parecen", "1 de 2 células parece"),
        "fr": ("0 cellule sur 1 paraît", "1 cellule sur 2 paraît"),
        "zh": ("1 个细胞中有 0 个", "2 个细胞中有 1 个"),
    }
    for name, (none, one) in cells.items():
        with speaking(name):
            assert said(words.case_summary(1, 0, 0)).startswith(none)
            assert said(words.case_summary(2, 1, 0)).startswith(one)
    assert told("{n:n} more {n?is|are} not shown.", n=1) == "1 more is not shown."
    assert language() == ENGLISH


def test_low_priority_is_said_to_mean_later_in_every_language():
    later = {"de": "niemals, dass ein Fall unauffällig ist", "zh": "绝不表示病例正常",
             "fr": "jamais qu’un cas est normal", "es": "nunca que un caso sea normal"}  # fmt: skip
    for name, ending in later.items():
        with speaking(name):
            assert ending in said(words.RESEARCH_USE)
            assert said(LOW_PRIORITY) != LOW_PRIORITY


def test_a_language_that_is_not_there_is_refused(capsys):
    with pytest.raises(ValueError, match="expected a language of"), speaking("tlh"):
        pass
    with pytest.raises(SystemExit):
        main(["report", "out", "--language", "tlh"])
    assert "choose from" in capsys.readouterr().err


@pytest.mark.slow
def test_the_page_of_the_demo_is_whole_in_every_language_and_its_tables_stay_english(tmp_path):
    out = tmp_path / "out"
    asked = ["screen", str(demo_folder()), "--out", str(out), "--language", "de", "--quiet"]
    assert main(asked) == 3
    pages, tables = {"de": (out / "report.html").read_text("utf-8")}, set()
    for name in LANGUAGES:
        assert main(["report", str(out), "--language", name, "--quiet"]) == 3
        pages[f"{name} again"] = (out / "report.html").read_text("utf-8")
        tables.add((out / "triage.csv").read_text("utf-8"))
    assert len(tables) == 1
    assert pages["de"] == pages["de again"]
    same = re.compile(
        r"[\dT:+, -]+|(case|cell)-\d+\S*|(onnxruntime|int8) [\d.]+|screening|[\w-]+, sha256 \w+"
    )
    for name in OTHERS:
        pairs = zip(read(pages["en again"]), read(pages[f"{name} again"]), strict=True)
        left = {one for one, other in pairs if one == other and not SAME.fullmatch(one)}
        assert not {one for one in left - ALIKE[name] if not same.fullmatch(one)}
