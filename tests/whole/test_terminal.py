"""orchctl at a terminal: colours only there, and nothing wider than it; help is read to its end."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from nights import init_project
from orch import BUILD

COLUMNS = 80
COLOUR = re.compile(r"\x1b\[[0-9]*m")


def at_a_terminal(*args, **env):
    """What orchctl writes to a terminal of 80 columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    with subprocess.Popen([str(BUILD / "orchctl"), *map(str, args)], stdin=subprocess.DEVNULL, stdout=its, stderr=its,
                          env={**environment, "TERM": "xterm", **env}) as program:
        os.close(its)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
        os.close(ours)
        assert program.wait(60) == 0, said
    return said.decode().replace("\r\n", "\n")


def plain(*args):
    return subprocess.run([str(BUILD / "orchctl"), *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("args", (("help",), ("types",), ("types", "fpi_analysis"), ("runs", "--help"), ("audit", "--help"), ("materialize", "--help")))
def test_help_fits_and_loses_nothing(args):
    said = COLOUR.sub("", at_a_terminal(*args))
    table = [line for line in said.splitlines() if line.startswith("  ")]
    long = [line for line in table if len(line) > COLUMNS]
    assert table and (not long or args == ("types", "fpi_analysis")), long  # whose defaults alone are wider
    assert "~" not in said and said.split() == plain(*args).split()


def test_colours_are_for_terminals(tmp_path):
    orch = init_project(tmp_path)
    try:
        args = ("-f", orch.config, "assets", "list")
        assert COLOUR.search(at_a_terminal(*args)) and not COLOUR.search(at_a_terminal(*args, NO_COLOR="1"))
        assert not COLOUR.search(at_a_terminal(*args, TERM="dumb")) and not COLOUR.search(plain(*args))
        assert all(len(line) <= COLUMNS for line in at_a_terminal(*args, NO_COLOR="1").splitlines())
    finally:
        orch.close()
