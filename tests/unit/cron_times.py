#!/usr/bin/python3
"""Expected instants of crontab fields in many zones, found minute by minute with Python's own zone reader.

A line "ZONE|FIELDS|after|next": seconds since 1970.  Usage: cron_times.py SEED COUNT
"""
import datetime as dt
import random
import sys
import zoneinfo

UTC = dt.timezone.utc
MINUTE = dt.timedelta(minutes=1)
# Zones and one of their changes: an hour, half an hour, at midnight, the other way round in Dublin, none.
CHANGES = [
    ("America/Chicago", (2026, 3, 8)), ("America/Chicago", (2026, 11, 1)), ("Europe/Berlin", (2026, 3, 29)),
    ("Europe/Dublin", (2026, 10, 25)), ("Australia/Lord_Howe", (2026, 4, 5)), ("Australia/Lord_Howe", (2026, 10, 4)),
    ("America/Havana", (2026, 3, 8)), ("America/Havana", (2026, 11, 1)), ("Asia/Beirut", (2026, 3, 29)),
    ("Africa/Cairo", (2026, 10, 30)), ("Asia/Kathmandu", (2026, 6, 1)), ("UTC", (2026, 1, 1)),
]
LIMITS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def random_item(rng, lo, hi):
    a = rng.randint(lo, hi)
    kind = rng.random()
    if kind < 0.6:
        return str(a), {a}
    b = rng.randint(a, hi)
    step = rng.randint(1, 9)
    if kind < 0.8:
        return f"{a}-{b}", set(range(a, b + 1))
    return f"{a}-{b}/{step}", set(range(a, b + 1, step))


def random_field(rng, lo, hi, star):
    if rng.random() < star:
        step = rng.choice([1, 1, 2, 5, 7])
        return "*" if step == 1 else f"*/{step}", set(range(lo, hi + 1, step))
    items = [random_item(rng, lo, hi) for _ in range(rng.choice([1, 1, 2, 3]))]
    return ",".join(text for text, _ in items), set().union(*(values for _, values in items))


def random_fields(rng):
    made = [random_field(rng, lo, hi, star) for (lo, hi), star in zip(LIMITS, (0.3, 0.4, 0.7, 0.8, 0.7))]
    return " ".join(text for text, _ in made), [values for _, values in made]


def day_fits(text, values, date):
    days, weekdays = text.split()[2], text.split()[4]
    of_month = date.day in values[2]
    of_week = date.isoweekday() % 7 in values[4] or (7 in values[4] and date.isoweekday() == 7)
    both = days.startswith("*") or weekdays.startswith("*")
    return date.month in values[3] and (of_month and of_week if both else of_month or of_week)


def wall_fits(text, values, wall):
    return wall.minute in values[0] and wall.hour in values[1] and day_fits(text, values, wall.date())


def readings(zone, wall):
    """The instants at which a clock on the wall shows this: none, one or two."""
    found = []
    for fold in (0, 1):
        t = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if t.astimezone(zone).replace(tzinfo=None) == wall and t not in found:
            found.append(t)
    return found


def once(zone, wall):
    """The one instant of a time that comes once a day: in standard time if twice, as much later if skipped."""
    real = readings(zone, wall)
    if not real:
        return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    standard = [t for t in real if not t.astimezone(zone).dst()]
    return max(standard or real)


def instants(zone, text, values, begin, end):
    """All of them between two instants, in order."""
    found = set()
    wall = (begin - dt.timedelta(days=2)).replace(tzinfo=None, second=0)
    while wall.replace(tzinfo=UTC) < end + dt.timedelta(days=2):
        if wall_fits(text, values, wall):
            found.update(readings(zone, wall) if text.split()[1].startswith("*") else [once(zone, wall)])
        wall += MINUTE
    return sorted(t for t in found if begin < t <= end)


def main():
    rng = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        name, date = rng.choice(CHANGES)
        zone = zoneinfo.ZoneInfo(name)
        text, values = random_fields(rng)
        begin = dt.datetime(*date, tzinfo=UTC) - dt.timedelta(days=1, minutes=rng.randint(0, 600), seconds=rng.randint(0, 59))
        end = begin + dt.timedelta(days=4)
        after = begin
        for t in instants(zone, text, values, begin, end)[:400]:
            print(name, text, int(after.timestamp()), int(t.timestamp()), sep="|")
            after = t


main()
