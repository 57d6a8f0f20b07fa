"""What the kernel shows of a process: its environment, and the memory that a core file would hold."""

import contextlib
import pathlib


def environ(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def memory(pid):
    """([bytes of mappings that a core file would hold], [bytes of those that are left out])"""
    dumped, left_out, area = [], [], None
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in smaps:
            word = line.split()
            if not word[0].endswith(":"):
                area = (*(int(x, 16) for x in word[0].split("-")), word[1])
            elif word[0] == "VmFlags:" and area[2].startswith("rw"):
                with contextlib.suppress(OSError):
                    mem.seek(area[0])
                    (left_out if "dd" in word else dumped).append(mem.read(area[1] - area[0]))
    return dumped, left_out


def holds(areas, *texts):
    return any(t.encode() in a for a in areas for t in texts)


def around(areas, *texts):
    """What stands around each place where a text is found, for people."""
    found = []
    for a in areas:
        for t in texts:
            at = a.find(t.encode())
            if at != -1:
                found.append(a[max(at - 80, 0):at + len(t) + 40])
    return found


def may_look_into(pid):
    try:
        with open(f"/proc/{pid}/mem", "rb"):
            return True
    except PermissionError:
        return False
