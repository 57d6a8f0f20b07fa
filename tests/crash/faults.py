"""Programs that are disturbed at a chosen point: the order file of shim.c, and a project whose programs obey it."""

import mmap
import pathlib
import shutil
import socket
import stat
import struct
import time

from orch import BUILD, Failed, Orch, wait_until

SHIM = BUILD / "tests" / "crash" / "shim.so"
AGAIN = 75  # the exit code of orchctl for what may pass
PROGRAMS = ("orchd", "orch-step", "orch-exec", "orchctl")

DISK, NET, PROC, RECEIVE = 1, 2, 4, 8
WATCH, CRASH, TORN, FAIL, CUT = range(5)

LAYOUT = struct.Struct("IIIIQQQQ256s")  # struct order
COUNT_AT, FIRED_AT = 24, 32


class Orders:
    """The file that all programs of one project share; what is written here they meet at once."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(bytes(LAYOUT.size * len(PROGRAMS)))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        self.past = dict.fromkeys(PROGRAMS, (0, ""))  # of orders before the present one
        for program in PROGRAMS:
            self.set(program)

    def close(self):
        self.map.close()

    def _at(self, program):
        return LAYOUT.size * PROGRAMS.index(program)

    def _get(self, program):
        return LAYOUT.unpack_from(self.map, self._at(program))

    def set(self, program, mode=WATCH, after=0, kinds=DISK | NET | PROC, error=0, error_ms=0):
        """To happen at the after-th point from here on.  Nobody may be running the program, or only one waiting."""
        count = self.count(program)
        self.past[program] = self.fired(program), self.what(program)
        at = self._at(program)
        # The mode goes in last.
        LAYOUT.pack_into(self.map, at, kinds, WATCH, error, error_ms, count + after, count, 0, 0, b"")
        struct.pack_into("I", self.map, at + 4, mode)

    def count(self, program):
        return struct.unpack_from("Q", self.map, self._at(program) + COUNT_AT)[0]

    def fired(self, program):
        return self.past[program][0] + struct.unpack_from("Q", self.map, self._at(program) + FIRED_AT)[0]

    def what(self, program):
        """The first call that was met."""
        return self.past[program][1] or self._get(program)[-1].split(b"\0", 1)[0].decode(errors="replace")


def lay_out_programs(folder):
    """
    A folder of programs as the daemon wants to find them: it and orchctl as they are; those that it starts behind a
    wrapper, because what they inherit is what the daemon's list allows and no preloaded library.  orch-exec is linked
    statically where that works, so the tests have one that is not.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("orchd", "orchctl"):
        shutil.copy2(BUILD / name, folder / name)
    for name, real in (("orch-step", BUILD / "orch-step"), ("orch-exec", BUILD / "tests" / "crash" / "orch-exec")):
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\nLD_PRELOAD={SHIM} exec {real} "$@"\n')
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return folder


class Disturbed:
    """What an Orch needs to run disturbed programs; mixed into one."""

    def disturb_with(self, programs):
        self.programs = pathlib.Path(programs)
        self.orders = Orders(self.root / "faults")
        self.recoveries = []  # seconds from the start of a daemon until it answered
        return self

    def fault_env(self):
        return {"LD_PRELOAD": str(SHIM), "ORCH_FAULT_FILE": str(self.orders.path)}

    def start(self, env=None, ready=True):
        began = time.monotonic()
        super().start(env={**self.fault_env(), **(env or {})}, ready=False)
        if ready:
            self.recoveries.append(self.wait_listening(began))
        return self

    def orchctl(self, *args, code=0, **kw):
        """A question whose answer was cut off is asked again, as the exit code says."""
        def answer():
            done = super(Disturbed, self).orchctl(*args, code=None, **kw)
            return done if code in (None, AGAIN) or done.returncode != AGAIN else None
        done = wait_until(answer, f"orchctl {' '.join(map(str, args))} is answered", 20)
        if code is not None and done.returncode != code:
            raise Failed(f"orchctl {' '.join(map(str, args))}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}{self.tail()}")
        return done

    def wait_listening(self, began):
        """Seconds until the control socket answers; None when the daemon ended before."""
        path = str(self.root / "state" / "control.sock")
        end = time.monotonic() + 30

        while self.daemon.poll() is None:
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(path)
                    return time.monotonic() - began
                except OSError:
                    pass
            if time.monotonic() > end:
                raise Failed(f"orchd does not listen after 30 s{self.tail()}")
            time.sleep(0.002)
        return None

    def close(self, keep=False):
        super().close(keep)
        self.orders.close()


class DisturbedOrch(Disturbed, Orch):
    pass
