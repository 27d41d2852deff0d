"""TFRecords of labelled pictures, with what ANet-c6 keeps of each (CCEAI 2020).

One record: label, image (PNG), the original's height, width and channels, and its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from screening.atomic import replaced_file

_FIELDS = {
    "label": tf.io.FixedLenFeature([], tf.int64),
    "image": tf.io.FixedLenFeature([], tf.string),
    "height": tf.io.FixedLenFeature([], tf.int64),
    "width": tf.io.FixedLenFeature([], tf.int64),
    "channels": tf.io.FixedLenFeature([], tf.int64),
    "name": tf.io.FixedLenFeature([], tf.string),
}


def write_records(
    path: Path,
    pictures: np.ndarray,
    labels: np.ndarray,
    originals: Sequence[tuple[int, int, int]],
    names: Sequence[str],
) -> None:
    """Write pictures uint8 (n, h, w); `originals`: height, width and channels of their files."""
    listed = zip(pictures, labels, originals, names, strict=True)
    with replaced_file(path) as hidden, tf.io.TFRecordWriter(str(hidden)) as writer:
        for picture, label, (height, width, channels), name in listed:
            png = tf.io.encode_png(picture[..., None]).numpy()
            numbers = {"label": label, "height": height, "width": width, "channels": channels}
            feature = {
                key: tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))
                for key, value in numbers.items()
            } | {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in (("image", png), ("name", name.encode()))
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def read_records(path: Path) -> tf.data.Dataset:
    """Return what `write_records` wrote, one dict for each picture: image uint8 (h, w), and the
    other fields by their names."""

    def parsed(record: tf.Tensor) -> dict[str, tf.Tensor]:
        one = tf.io.parse_single_example(record, _FIELDS)
        return one | {"image": tf.io.decode_png(one["image"], channels=1)[..., 0]}

    return tf.data.TFRecordDataset(str(path)).map(parsed)
