"""tf.data datasets of whole karyograms; ids travel with the images so that nothing is mixed up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from screening.classes import ABNORMAL
from screening.data.augment import Augment
from screening.data.manifest import Item
from screening.data.tables import Problems
from screening.errors import ImageError
from screening.images.normalise import preprocess as standard_preprocess
from screening.images.read import read_image

Preprocess = Callable[[np.ndarray, int], np.ndarray]
"""(grey uint8 (h, w), size) -> uint8 (size, size)"""


def verify(items: Sequence[Item], threads: int = 4) -> None:
    """Raise ManifestError that lists every item whose image cannot be read.

    Opens each file once: call it before a long training, which a bad file would end midway.
    """

    def problem(item: Item) -> str | None:
        try:
            read_image(item.path)
        except ImageError as error:
            return str(error)
        return None

    problems = Problems("the images")
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(problem, items):
            if found is not None:
                problems.add(found)
    problems.raise_if_any()


def image_dataset(
    items: Sequence[Item],
    size: int,
    *,
    batch: int,
    ordered: bool,
    preprocess: Preprocess = standard_preprocess,
    augment: Augment | None = None,
    seed: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Return batches (id, image, label) of the items.

    Shapes: id string (b,); image float32 (b, size, size, 3), 0–255 RGB; label float32 (b,).
    `ordered=True`, for anything scored: exactly the items' order, nothing shuffled or augmented.
    `ordered=False`, for training: every iteration over the dataset is an epoch with its own order,
    drawn from (seed, epoch), and its own augmentation; two datasets of the same arguments give
    the same epochs. A resumed training passes the number of epochs done as `first_epoch`.
    Labels are 1 for abnormal. The last batch may be smaller. Call `verify` first: an unreadable
    image ends the iteration with TensorFlow's error.
    """
    items = list(items)
    if not items:
        raise ValueError("expected at least one item, received none")
    if ordered and augment is not None:
        raise ValueError(
            "expected no augmentation when ordered: scores must be those of the images"
        )
    epochs_started = 0

    def order() -> Iterator[tuple[int, int]]:
        nonlocal epochs_started
        epoch = first_epoch + epochs_started
        epochs_started += 1
        indices = np.arange(len(items))
        if not ordered:
            np.random.default_rng([seed, epoch]).shuffle(indices)
        for index in indices:
            yield int(index), epoch

    def load(index: np.ndarray, epoch: np.ndarray) -> np.ndarray:
        item = items[int(index)]
        image = preprocess(read_image(item.path), size)
        if augment is not None:
            image = augment(image, item.id, int(epoch))
        return image

    ids = tf.constant([item.id for item in items])
    labels = tf.constant([float(item.label == ABNORMAL) for item in items], tf.float32)

    def example(index: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        grey = tf.numpy_function(load, (index, epoch), tf.uint8)
        grey = tf.ensure_shape(grey, (size, size))
        image = tf.repeat(tf.cast(grey, tf.float32)[..., None], 3, axis=-1)
        return ids[index], image, labels[index]

    number = tf.TensorSpec((), tf.int64)
    dataset = tf.data.Dataset.from_generator(order, output_signature=(number, number))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(items)))
    # deterministic: the order above is the order of the batches, whichever thread is first.
    dataset = dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(batch).prefetch(tf.data.AUTOTUNE)


def for_fit(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return the dataset without ids, (image, label), as Keras' fit takes it."""
    return dataset.map(lambda _, image, label: (image, label))
