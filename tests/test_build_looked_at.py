"""A build tells how often it has looked at the same people for a promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelled_fakes import write_bundle_without_weights, write_labelled
from screening.assess.certification import Earned
from screening.build import bundles
from screening.build.config import read_build
from screening.build.looked_at import NAME, earlier_looks
from screening.build.runner import BuildError, Context

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default_bundle.yaml"


def test_other_bundles_shown_to_the_same_people_are_counted_and_the_same_again_is_not(tmp_path):
    assert earlier_looks(tmp_path, {"bundle": "one"}, ["a", "b"]) == 0
    assert earlier_looks(tmp_path, {"bundle": "one"}, ["b", "a"]) == 0
    assert earlier_looks(tmp_path, {"bundle": "two"}, ["b", "c", "c"]) == 1
    assert earlier_looks(tmp_path, {"bundle": "three"}, ["b"]) == 2
    assert earlier_looks(tmp_path, {"bundle": "three"}, ["b"]) == 2
    assert earlier_looks(tmp_path, {"bundle": "four"}, ["d"]) == 0
    assert earlier_looks(tmp_path, {"bundle": "five"}, ["c", "d"]) == 2
    kept = json.loads((tmp_path / NAME).read_text("utf-8"))
    assert sorted(map(len, kept.values())) == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("text", ["{", "[1]", '{"key": 3}'])
def test_a_memory_that_cannot_be_read_is_refused_not_forgotten(tmp_path, text):
    (tmp_path / NAME).write_text(text, "utf-8")
    with pytest.raises(BuildError, match="counts the looks at calibration people"):
        earlier_looks(tmp_path, {"bundle": "one"}, ["a"])
    assert (tmp_path / NAME).read_text("utf-8") == text


def test_a_certificate_that_is_earned_anew_tells_of_the_looks_before(tmp_path, monkeypatch):
    config = read_build(CONFIG, {"vgg16": ()}).for_smoke(drawn=True)
    part = config.pages.certificate
    folders = {name: tmp_path / name for name in ("pages", "fusion", "certificate")}
    write_labelled(folders["pages"] / part, 1, 1)
    folders["certificate"].mkdir()
    told: list[int] = []

    def seen(bundle, terms, folder, before, scope, more_looks) -> Earned:
        told.append(more_looks)
        return Earned(None, "nothing", (), {}, ())

    monkeypatch.setattr(bundles, "earned", seen)
    monkeypatch.setattr(bundles, "calibrated", lambda bundle, *_: bundle)
    for threshold in (0.2, 0.2, 0.3):
        write_bundle_without_weights(folders["fusion"] / "bundle", threshold=threshold)
        bundles.certificate(Context(folders["certificate"], config, tmp_path, folders))
    assert told == [0, 0, 1]
