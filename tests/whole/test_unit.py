"""The systemd unit as it is installed."""

import re
import shutil
import subprocess

import pytest

from orch import BUILD, SRC

UNIT = BUILD / "systemd" / "orchd.service"
AUDIT = BUILD / "systemd" / "orchd-audit.service"
TIMER = SRC / "systemd" / "orchd-audit.timer"


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


def test_the_audit_is_confined_as_the_daemon_is():
    """Everything from the daemon's hardening, and nothing that would keep orchctl from its socket or its secrets."""
    def lines(path):
        return {line for line in path.read_text().splitlines() if "=" in line}
    daemon, audit = lines(UNIT), lines(AUDIT)
    kept = {line for line in daemon if line.startswith(("Protect", "Private", "Restrict", "SystemCall", "NoNew", "Capab", "UMask", "Lock"))}
    assert len(kept) > 15 and kept <= audit, kept - audit
    assert {line for line in daemon if line.startswith(("User", "Group", "StateDirectory=", "EnvironmentFile", "LimitCORE"))} <= audit
    assert "Type=oneshot" in audit and not any(line.startswith("@") for line in audit)
    assert "WantedBy=timers.target" in TIMER.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_timer_comes_every_day():
    when = re.search(r"OnCalendar=(.*)", TIMER.read_text()).group(1)
    done = subprocess.run(["systemd-analyze", "calendar", "--iterations=2", when], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0 and "13:00:00 UTC" in done.stdout, done.stdout + done.stderr
