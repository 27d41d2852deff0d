"""A Ray cluster: what is refused in a sentence; and two workers, of which one is killed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from screening.bundle import default_bundle, load_bundle
from screening.cli import main
from screening.demo import demo_folder
from screening.worklist.cluster import ClusterError, Recipe, Refused, score_part
from screening.worklist.outputs import OUTPUT_NAMES
from screening.worklist.parted import Part
from test_worklist_shards import TIMES


def screen(*words: object) -> int:
    return main(["screen", *map(str, words), "--quiet"])


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.of(
        load_bundle(default_bundle()), demo_folder(), passes=2, seed=0, engine="auto",
        batch_size=8, time_limit=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cluster", "karyograms"], "expected auto or HOST:PORT, received 'karyograms'"),
        (["--cluster", "auto", "--save-chromosomes"], "expects a run on this machine"),
        (["--cluster", "auto", "--device", "gpu:1"], "expected --device auto or cpu"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    try:
        assert screen(demo_folder(), "--out", tmp_path / "out", *words) == 2
    except SystemExit as left:
        assert left.code == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_without_the_extra_a_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("screening.worklist.cluster.find_spec", lambda name: None)
    assert screen(demo_folder(), "--out", tmp_path / "out", "--cluster", "auto") == 1
    assert "pip install '.[cluster]'" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("ray", reason="needs ray (extra cluster)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    address = f"127.0.0.1:{port}"
    assert screen(demo_folder(), "--out", tmp_path / "out", "--cluster", address) == 1
    said = capsys.readouterr().err
    assert f"no Ray cluster answers at {address} (" in said and "Traceback" not in said
    assert time.monotonic() - started < 60


def test_a_worker_refuses_what_is_not_as_it_is_here(recipe: Recipe, tmp_path: Path) -> None:
    def why(**changes: object) -> str:
        with ExitStack() as scope, pytest.raises(ClusterError) as caught:
            replace(recipe, **changes).made(scope)  # type: ignore[arg-type]
        return str(caught.value)

    assert "has screening " in why(version="0.0.0") and "expected 0.0.0" in why(version="0.0.0")
    assert "does not see" in why(folder=tmp_path / "none")
    assert "another bundle" in why(hash="0" * 64)


def test_a_refusal_travels_as_a_value(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ray:
        @staticmethod
        def get(reference: Recipe) -> Recipe:
            return reference

    monkeypatch.setitem(sys.modules, "ray", Ray)
    elsewhere = replace(recipe, folder=tmp_path / "none")
    came = score_part("run", [elsewhere], Part(()), {})
    assert isinstance(came, Refused) and came.exit_status == 1 and "does not see" in came.why


@pytest.mark.parametrize(("ending", "said"), [("os._exit(1)", True), ("pass", False)])
def test_a_process_that_ends_at_once_has_last_words(ending: str, said: bool) -> None:
    code = f"import os, screening.worklist.cluster as c\nwith c.last_words('h:1'): {ending}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == said
    assert ("the cluster at h:1 is gone" in done.stderr) == said, done.stderr


@pytest.fixture
def ray_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A cluster of this machine: a head that scores nothing, and two workers."""
    pytest.importorskip("ray", reason="needs ray (extra cluster)")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 200_000_000}
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store}
    )
    for _ in range(2):
        nodes.add_node(num_cpus=1, **store)
    yield nodes
    nodes.shutdown()


def scores(node: object) -> bool:
    """Whether a process of a node has a part: then Ray calls it by the function."""
    raylet = node.all_processes["raylet"][0].process.pid  # type: ignore[attr-defined]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == raylet and b"ray::score_part" in (process / "cmdline").read_bytes():
                return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes in /proc")
@pytest.mark.filterwarnings("ignore")
def test_two_workers_of_which_one_is_killed_give_what_one_machine_gives(
    ray_nodes: object, tmp_path: Path
) -> None:
    log, options = tmp_path / "log", ("--passes", 2, "--workers", 1, "--batch-size", 2)
    here, there, folder = tmp_path / "here", tmp_path / "there", tmp_path / "in"
    for path in sorted(demo_folder().rglob("*.*"))[-9:]:
        copy = folder / path.relative_to(demo_folder())
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert screen(folder, "--out", here, *options, "--time-limit", 0) == 3
    ended = threading.Event()

    def kill_one() -> None:
        """In the midst of a part."""
        workers = list(ray_nodes.worker_nodes)  # type: ignore[attr-defined]
        while not (at_work := [one for one in workers if scores(one)]):
            if ended.wait(0.05):
                return
        ray_nodes.remove_node(at_work[0], allow_graceful=False)  # type: ignore[attr-defined]

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        address = ray_nodes.address  # type: ignore[attr-defined]
        cluster = ("--cluster", address, "--log-json", log)
        assert screen(folder, "--out", there, *options, *cluster) == 3
    finally:
        ended.set()
        killer.join()
    events = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [one for one in events if one["event"] == "worker-lost"], "none was lost"
    for name in OUTPUT_NAMES[:4]:
        found, expected = ((out / name).read_text("utf-8") for out in (there, here))
        assert TIMES.sub("", found) == TIMES.sub("", expected), name
    told, whole = (json.loads((out / "run.json").read_text("utf-8")) for out in (there, here))
    timed = {"started", "finished", "seconds", "images_per_second", "options"}
    assert {k: told[k] for k in told.keys() - timed} == {k: whole[k] for k in whole.keys() - timed}
