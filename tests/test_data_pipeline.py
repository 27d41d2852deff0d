"""tf.data: ids stay with their images, order is kept or seeded, the eager path is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from screening.data.augment import augment
from screening.data.manifest import Item
from screening.data.pipeline import for_fit, image_dataset, verify
from screening.errors import ManifestError
from screening.images.read import read_image

SIZE, COUNT = 48, 23


def shrink(grey: np.ndarray, size: int) -> np.ndarray:
    """A preprocessing of no subtlety: the tests are about what happens around it."""
    return cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    """Pictures whose left upper grey value is ten times their number, every third abnormal."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number in range(COUNT):
        picture = np.full((96, 96), 10 * number, np.uint8)
        picture[60:, 60:] = 120
        path = folder / f"{number}.png"
        assert cv2.imwrite(str(path), picture)
        found.append(Item(str(number), path, "normal" if number % 3 else "abnormal", str(number)))
    return found


def collect(dataset) -> tuple[list[str], np.ndarray, np.ndarray]:
    batches = [(i.numpy(), x.numpy(), y.numpy()) for i, x, y in dataset]
    ids = [name.decode() for names, _, _ in batches for name in names]
    return ids, np.concatenate([b[1] for b in batches]), np.concatenate([b[2] for b in batches])


def make(items: list[Item], **changes):
    options = {"batch": 5, "ordered": True, "preprocess": shrink} | changes
    return image_dataset(items, SIZE, **options)


def test_ordered_gives_the_order_of_the_items_every_time(items):
    dataset = make(items)
    assert len(dataset) == 5
    for _ in range(2):
        ids, images, labels = collect(dataset)
        assert ids == [item.id for item in items]
        assert images.shape == (COUNT, SIZE, SIZE, 3)
        assert images.dtype == np.float32
        assert labels.tolist() == [float(item.label == "abnormal") for item in items]


def test_unordered_epochs_are_whole_differ_and_repeat_with_the_seed(items):
    first = make(items, ordered=False, seed=3)
    epochs = [collect(first)[0] for _ in range(3)]
    assert all(sorted(ids) == sorted(item.id for item in items) for ids in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    again = make(items, ordered=False, seed=3)
    assert [collect(again)[0] for _ in range(2)] == epochs[:2]
    resumed = make(items, ordered=False, seed=3, first_epoch=2)
    assert collect(resumed)[0] == epochs[2]
    assert collect(make(items, ordered=False, seed=4))[0] != epochs[0]


@pytest.mark.parametrize("ordered", [True, False])
def test_ids_labels_and_images_belong_together(items, ordered):
    ids, images, labels = collect(make(items, ordered=ordered))
    for name, image, label in zip(ids, images, labels, strict=True):
        assert (image[0, 0] == 10 * int(name)).all()
        assert label == float(int(name) % 3 == 0)


@pytest.mark.parametrize("with_augmentation", [False, True])
def test_eager_and_tf_data_give_the_same_pixels(items, with_augmentation: bool):
    change: Callable | None = augment(seed=5) if with_augmentation else None
    dataset = make(items, ordered=False, augment=change, seed=2, batch=7)
    seen = []
    for epoch in range(2):
        ids, images, _ = collect(dataset)
        by_id = {item.id: item for item in items}
        for name, image in zip(ids, images, strict=True):
            grey = shrink(read_image(by_id[name].path), SIZE)
            if change is not None:
                grey = change(grey, name, epoch)
            assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=-1))
        seen.append(images[np.argsort(ids)])
    assert np.array_equal(*seen) is not with_augmentation


def test_the_standard_preprocessing_is_the_one_of_screening(items):
    from screening.images.normalise import preprocess

    _, images, _ = collect(image_dataset(items[-1:], SIZE, batch=1, ordered=True))
    assert np.array_equal(images[0, ..., 0], preprocess(read_image(items[-1].path), SIZE))


def test_scored_images_are_never_augmented(items):
    with pytest.raises(ValueError, match="no augmentation"):
        make(items, augment=augment())
    with pytest.raises(ValueError, match="at least one"):
        make([])


def test_verify_lists_every_unreadable_image_before_training(items, tmp_path: Path):
    verify(items)
    bad = []
    for name in ("empty.png", "text.png"):
        (tmp_path / name).write_text("no picture" if name == "text.png" else "")
        bad.append(Item(name, tmp_path / name, "normal", name))
    with pytest.raises(ManifestError, match="2 problems") as caught:
        verify([*items, *bad])
    assert "empty.png" in str(caught.value)
    assert "text.png" in str(caught.value)


def test_fit_takes_it_without_ids(items):
    image, label = next(iter(for_fit(make(items))))
    assert image.shape == (5, SIZE, SIZE, 3)
    assert label.shape == (5,)
