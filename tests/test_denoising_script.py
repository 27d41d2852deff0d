"""How denoising is judged: against the picture before it was spoiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from screening.classes import class_index
from screening.synthesis.drawn import draw_cell

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import measure_denoising

    return measure_denoising


@pytest.fixture
def one(script):
    cell = draw_cell(np.random.default_rng(0), "XX")
    image = next(each.image for each in cell.chromosomes if each.name == "3")
    return script.Shown(np.pad(image, script.MARGIN, constant_values=255), class_index("3"), 7)


def test_every_way_of_spoiling_is_told_and_the_same_each_time(script, one):
    for name in script.SPOILINGS:
        made = one.spoiled(name)
        assert np.array_equal(made, one.spoiled(name)) and made.dtype == np.uint8
        psnr, ssim, bands = script.agreement(one, made)
        if name == script.AS_IT_IS:
            assert (psnr, round(ssim, 6), round(bands, 6)) == (np.inf, 1, 1)
        else:
            assert 10 < psnr < 60 and 0.2 < ssim < 1 and 0.5 < bands < 1


def test_the_library_denoisers_take_noise_away(script, one):
    noisy = one.spoiled("noise 20")
    for denoise, tried in script.DENOISERS.values():
        best = max(script.decibels(one.image, denoise(noisy, strength)) for strength in tried)
        assert best > script.decibels(one.image, noisy) + 1


def test_an_untaught_network_leaves_pictures_as_they_are(script, one):
    model = script.network()
    assert model.count_params() <= 60_000
    assert np.array_equal(script.by_network(model, one.image), one.image)
    before, after = script._patch([one], np.random.default_rng(1))
    assert before.shape == after.shape == (script.PATCH, script.PATCH)


def test_only_what_gains_at_every_laboratory_is_said_to_help(script):
    assert script.compared(np.array([0, 0, 1, 1], bool), np.array([1, 0, 1, 0], bool))[:2] == (1, 1)
    wrong, right = np.zeros(12, bool), np.ones(12, bool)
    same = np.ones(12)

    def said(first: np.ndarray, second: np.ndarray) -> str:
        keys = [(spoiling, way) for spoiling in script.SPOILINGS for way in script.WAYS]
        found = {}
        for name, read in (("one", first), ("two", second)):
            found[name] = {key: script.Judged(same, same, same, wrong) for key in keys}
            found[name]["noise 20", "median"] = script.Judged(same, same, same, read)
        return "\n".join(script.tables(found, {("noise 20", "median"): 3}))

    text = said(right, right)
    assert "| noise 20 | median | 3 | 1.0 | 1.000 | 1.0000 | 100.0 % (+12 −0*) |" in text
    assert text.endswith("every laboratory: median after noise 20.")
    assert said(right, wrong).endswith("every laboratory: none.")
