"""A few rounds of the crash campaigns; tests/crash/crash.py and tests/crash/enumerate.py alone are the whole of them."""

import errno
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

from orch import BUILD, ENDED, SRC, wait_until

sys.path.insert(0, str(SRC / "tests" / "crash"))

import faults  # noqa: E402 - they stand there
import promises  # noqa: E402
import scenes  # noqa: E402


def campaign(script, *args):
    done = subprocess.run(
        [sys.executable, str(SRC / "tests" / "crash" / script), *args, "--jobs", "2", "--build", str(BUILD)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_kill_at_random_instants():
    assert "15 rounds held, 0 broke" in campaign("crash.py", "--rounds", "15")


def test_disturb_at_chosen_points():
    assert "40 rounds held, 0 broke" in campaign("enumerate.py", "--sample", "40", "--seed", "3")


FULL_MS = 4000


@pytest.fixture
def disturbed(request):
    scene = scenes.Night()
    folder = tempfile.mkdtemp(prefix="orchd-full-")
    orch = scene.make(folder, faults.lay_out_programs(f"{folder}/programs"))
    yield orch
    failed = getattr(request.node, "failed", False)
    if failed:
        print(f"kept: {orch.root}\n{orch.tail()}")
    orch.close(keep=failed)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_takes_nothing_for_a_while(disturbed, error):
    orch = disturbed
    raw = orch.store / "raw"
    raw.rename(orch.store / "later")
    orch.start()
    orch.wait_ready()
    page = orch.ctl("status")["page"]
    orch.orders.set("orchd", faults.FAIL, after=1, kinds=faults.DISK, error=error, error_ms=FULL_MS)
    began = time.monotonic()
    (orch.store / "later").rename(raw)  # a night arrives
    wait_until(lambda: orch.orders.fired("orchd") > 0, "the daemon has met it")
    while time.monotonic() < began + FULL_MS / 1000 and orch.daemon.poll() is None:
        with urllib.request.urlopen(page, timeout=5) as answer:
            assert answer.status == 200
        time.sleep(0.1)
    over = time.monotonic()
    assert orch.daemon.poll() is None, "it does not end of it"
    runs = wait_until(lambda: orch.runs(), "the night is taken up", timeout=20)
    assert time.monotonic() - over < 10
    wait_until(lambda: all(r["state"] in ENDED for r in orch.runs()), "the runs have ended")
    promises.check_runs(orch.runs())
    promises.check_effects(orch)
    assert orch.ctl("status")["commit_failures"] > 0, "the database was refused something"
    assert len(runs) == 1
    orch.stop()
    promises.check_left(orch)
    promises.check_state(orch)


def test_nothing_that_was_acknowledged_is_lost(disturbed):
    """Holds are asked for while syncs fail at random: each that was said yes to is there after a kill, and no other is needed."""
    orch = disturbed
    orch.start()
    orch.wait_ready()
    taken, refused = [], []
    for i in range(24):
        if i % 3 == 0:
            orch.orders.set("orchd", faults.FAIL, after=1 + i // 3, kinds=faults.DISK, error=errno.EIO)
        done = orch.orchctl("hold", f"x/{i}", "--reason", "test", code=None)
        (taken if done.returncode == 0 else refused).append(f"x/{i}")
    assert orch.orders.fired("orchd") >= 4 and taken
    orch.orders.set("orchd")
    orch.kill()
    orch.start()
    orch.wait_ready()
    held = {h["partition"] for h in orch.ctl("status")["holds"]}
    assert set(taken) <= held, sorted(set(taken) - held)
    orch.stop()
    with sqlite3.connect(orch.root / "state" / "state.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
