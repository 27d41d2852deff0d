"""On which devices a training runs: one, all of this machine, or those of several hosts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache

import tensorflow as tf

from screening.errors import ScreeningError


@dataclass(frozen=True, eq=False)
class Devices:
    """A TensorFlow strategy, the number of hosts, and whether this process writes the files."""

    strategy: tf.distribute.Strategy
    workers: int = 1
    chief: bool = True

    @property
    def replicas(self) -> int:
        """Return the number of copies of the network on all hosts; they share each batch."""
        return self.strategy.num_replicas_in_sync

    @property
    def local(self) -> int:
        """Return the number of copies on this host."""
        return self.replicas // self.workers

    def check_batch(self, batch: int) -> None:
        """Raise ScreeningError when the global batch cannot be shared out evenly."""
        if batch % self.replicas:
            fitting = max(self.replicas, batch - batch % self.replicas)
            raise ScreeningError(
                f"the batch size is global and is shared by {self.replicas} devices: expected a "
                f"multiple of {self.replicas}, received {batch}; use {fitting}"
            )


@cache
def devices(choice: str) -> Devices:
    """Return the devices for "one", "all" or "hosts"; the same object for the same word.

    "all" mirrors over every GPU (over the logical CPUs where there is none). "hosts" reads
    TF_CONFIG, which must be the same list of workers on every host with each one's own index; call
    it before anything else uses TensorFlow. ScreeningError when TF_CONFIG is missing or wrong.
    A second strategy in one process breaks collectives, hence one object each.
    """
    if choice == "one":
        return Devices(tf.distribute.get_strategy())
    if choice == "all":
        gpus = tf.config.list_logical_devices("GPU")
        if gpus:
            return Devices(tf.distribute.MirroredStrategy([gpu.name for gpu in gpus]))
        cpus = [cpu.name for cpu in tf.config.list_logical_devices("CPU")]
        # Collectives between logical CPUs clash with a second strategy; a plain reduction cannot.
        plain = tf.distribute.ReductionToOneDevice()
        return Devices(tf.distribute.MirroredStrategy(cpus, cross_device_ops=plain))
    if choice == "hosts":
        workers, index = _cluster()
        return Devices(tf.distribute.MultiWorkerMirroredStrategy(), workers, chief=index == 0)
    raise ScreeningError(f"expected the devices one, all or hosts, received {choice!r}")


def _cluster() -> tuple[int, int]:
    """Return (number of workers, index of this one) from TF_CONFIG."""
    advice = (
        '; set it on every host to {"cluster": {"worker": ["host1:port", "host2:port"]}, '
        '"task": {"type": "worker", "index": 0}} with its own index'
    )
    text = os.environ.get("TF_CONFIG", "")
    try:
        content = json.loads(text)
        workers, task = content["cluster"]["worker"], content["task"]
        index = int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        found = f"received {text!r}" if text else "it is not set"
        raise ScreeningError(
            f"training on hosts needs the variable TF_CONFIG: {found}{advice}"
        ) from error
    if task.get("type") != "worker" or not 0 <= index < len(workers):
        raise ScreeningError(f"TF_CONFIG names no worker {index} of {len(workers)}{advice}")
    return len(workers), index
