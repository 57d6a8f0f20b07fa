"""The systemd unit as it is installed."""

import re
import shutil
import subprocess

import pytest

from orch import BUILD

UNIT = BUILD / "systemd" / "orchd.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_exposure():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"Overall exposure level for orchd.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found.group(1)) <= 1.5


def test_steps_survive_a_restart_of_the_unit():
    text = UNIT.read_text()
    assert "KillMode=process\n" in text and "Type=notify\n" in text
    assert "@" not in re.sub(r"SystemCallFilter=.*", "", text), "a place was not filled"
