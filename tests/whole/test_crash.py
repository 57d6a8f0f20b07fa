"""A few rounds of the crash campaign; tests/crash/crash.py --rounds 200 is the whole of it."""

import subprocess
import sys

from orch import BUILD, SRC


def test_kill_at_random_instants():
    done = subprocess.run(
        [sys.executable, str(SRC / "tests" / "crash" / "crash.py"), "--rounds", "15", "--jobs", "2", "--build", str(BUILD)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert "15 rounds held, 0 broke" in done.stdout
