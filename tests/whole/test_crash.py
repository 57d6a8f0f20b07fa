"""A few rounds of the crash campaigns; tests/crash/crash.py and tests/crash/enumerate.py alone are the whole of them."""

import subprocess
import sys

from orch import BUILD, SRC


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
