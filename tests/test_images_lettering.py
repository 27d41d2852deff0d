"""What is written on a picture: read where RapidOCR is installed, a sentence where it is not."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from screening.cli import main
from screening.images import lettering
from screening.iscn import karyotypes_in
from screening.synthesis.drawn import draw_cell
from screening.synthesis.printed import printed


def test_without_the_package_the_command_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lettering, "find_spec", lambda name: None)
    (tmp_path / "in").mkdir()
    words = ["screen", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--printed"]
    assert main(words) == 2
    assert "pip install '.[ocr]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra ocr is not installed")
@pytest.mark.parametrize("result", ["47,XX,+21", "46,XY,t(9;22)(q34;q11.2)", "45,X"])
def test_a_printed_result_is_read(result):
    rng = np.random.default_rng(len(result))
    page = printed(draw_cell(rng, "XX"), ("header", "result", "footer"), rng, result=result)
    lines = lettering.lettering(page.karyogram.image)
    assert karyotypes_in("\n".join(lines)) == (result,)
