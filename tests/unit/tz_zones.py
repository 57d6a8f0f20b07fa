#!/usr/bin/python3
"""Expected clock readings around every change of many zones, by Python's own zone reader.

A line "u ZONE utc offset dst abbr" is a reading at an instant, "l ZONE local utc" the instant of a wall clock time
with gaps and overlaps resolved as standard time.
"""
import datetime as dt
import sys
import zoneinfo

UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1)
FIRST, LAST, STEP = 0, 2145916800, 4 * 86400  # 1970 .. 2038


def seconds(d):
    return d.days * 86400 + d.seconds


def reading(zone, t):
    d = (EPOCH + dt.timedelta(seconds=t)).replace(tzinfo=UTC).astimezone(zone)
    return seconds(d.utcoffset()), bool(d.dst()), d.tzname()


def changes(zone):
    t, r = FIRST, reading(zone, FIRST)
    while t < LAST:
        lo, hi, there = t, t + STEP, reading(zone, t + STEP)
        if there != r:
            while hi - lo > 1:
                mid = (lo + hi) // 2
                lo, hi = (mid, hi) if reading(zone, mid) == r else (lo, mid)
            yield hi
            t, r = hi, reading(zone, hi)
        else:
            t = t + STEP


def instant(zone, local):
    """Standard time wins an overlap (the later instant if both or none are standard); a gap is read as before it."""
    naive = EPOCH + dt.timedelta(seconds=local)
    real = []
    for fold in (0, 1):
        d = naive.replace(tzinfo=zone, fold=fold)
        u = d.astimezone(UTC)
        if u.astimezone(zone).replace(tzinfo=None) == naive:
            t = seconds(u.replace(tzinfo=None) - EPOCH)
            if t not in [x for _, x in real]:
                real.append((bool(d.dst()), t))
    if not real:
        return local - seconds(naive.replace(tzinfo=zone, fold=0).utcoffset())
    standard = [t for is_dst, t in real if not is_dst]
    return max(standard or [t for _, t in real])


for name in sys.argv[1:]:
    zone = zoneinfo.ZoneInfo(name)
    for change in changes(zone):
        for t in (change - 1, change):
            off, is_dst, abbr = reading(zone, t)
            print('u', name, t, off, int(is_dst), abbr)
        here = change + reading(zone, change)[0]
        for local in range(here - 10800, here + 10801, 900):
            print('l', name, local, instant(zone, local))
    for t in range(FIRST, LAST, 200 * 86400 + 12345):
        off, is_dst, abbr = reading(zone, t)
        print('u', name, t, off, int(is_dst), abbr)
        print('l', name, t, instant(zone, t))
