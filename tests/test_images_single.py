"""One chromosome's picture comes out dark on white, whatever it was cut from."""

import numpy as np
import pytest

from screening.images.single import single_chromosome


def _picture(paper: int, ink: int, pad: int) -> np.ndarray:
    picture = np.full((60 + 2 * pad, 20 + 2 * pad), paper, np.uint8)
    picture[pad : pad + 60, pad : pad + 20] = ink
    return picture


@pytest.mark.parametrize(("paper", "ink"), [(255, 60), (0, 200), (225, 90), (20, 240)])
def test_ink_is_dark_and_paper_white(paper, ink):
    found = single_chromosome(_picture(paper, ink, 6))
    assert found.shape == (60, 20)
    assert found.max() < 200


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_blank_picture_holds_nothing(paper):
    assert single_chromosome(np.full((40, 30), paper, np.uint8)).size == 0


def test_a_tight_crop_of_a_dark_chromosome_is_not_inverted():
    rng = np.random.default_rng(0)
    picture = rng.integers(60, 120, (50, 16)).astype(np.uint8)
    picture[:3] = picture[-3:] = 255
    assert np.median(single_chromosome(picture)) < 128


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match="grey picture"):
        single_chromosome(np.zeros((4, 4, 3), np.uint8))
