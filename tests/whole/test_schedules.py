"""Schedules: runs at the times of a crontab line, also when the daemon was not there or died meanwhile."""

import datetime
import re

import pytest

from orch import Failed, wait_until
from page import Page

CONF = """
state_dir: ./state
limits: {{drain: 200ms, {limits}}}
web: {{listen: '127.0.0.1:0'}}
sensors:
  nightly:
    type: cron
    cron: '{cron}'
    time_zone: America/Chicago
    {more}
    job: tidy
    config: {{night: '{{yesterday}}', at: '{{local}}'}}
assets:
  sweep: {{type: exec, shell: true, command: ['echo "$ORCH_CONF_NIGHT $ORCH_CONF_AT" >> {root}/done']}}
jobs:
  tidy: {{assets: [sweep], partition: '{{night}}'}}
"""


@pytest.fixture
def project(orch):
    def write(cron="30 9 * * *", more="", limits="max_runs: 4"):
        orch.configure(CONF.format(cron=cron, more=more, limits=limits, root=orch.root))
        return orch
    return write


def clock(iso):
    """The environment in which a program that is started now believes that it is then."""
    then = datetime.datetime.fromisoformat(iso.replace("Z", "+00:00"))
    return {"ORCH_CLOCK_OFFSET_MS": str(int((then - datetime.datetime.now(datetime.timezone.utc)).total_seconds() * 1000))}


def start(orch, iso):
    orch.start(env=clock(iso))
    wait_until(lambda: (schedule(orch)["last_tick_at"] or "") >= iso[:-1], "it has looked at the clock")
    return orch


def schedule(orch):
    (one,) = orch.ctl("schedules")["schedules"]
    return one


def done(orch):
    """What the runs wrote, once they have ended."""
    wait_until(lambda: all(r["state"] == "succeeded" for r in runs(orch)), "every run has ended")
    return sorted(done_lines(orch))


def runs(orch):
    return orch.ctl("runs", "list", "--limit", "1000")["runs"]


def done_lines(orch):
    path = orch.root / "done"
    return path.read_text().splitlines() if path.exists() else []


def outcomes(orch):
    text = Page(orch).text("/metrics")
    return {o: int(float(n)) for o, n in re.findall(r'orchd_schedule_ticks_total\{schedule="nightly",outcome="(\w+)"\} (\S+)', text)}


def test_a_time_that_comes_starts_a_run(project):
    orch = start(project(), "2026-11-27T15:29:58Z")
    assert schedule(orch)["next_tick_at"] == "2026-11-27T15:30:00.000Z"
    wait_until(lambda: orch.runs(state="succeeded"), "half past nine in Chicago")
    (run,) = orch.runs()
    assert run["why"] == "due at 2026-11-27T09:30 (America/Chicago)" and run["partition"] == "20261126"
    assert done(orch) == ["20261126 2026-11-27T09:30"]
    assert schedule(orch)["next_tick_at"] == "2026-11-28T15:30:00.000Z"
    assert outcomes(orch) == {"run": 1, "skipped": 0, "missed": 0}


def test_a_new_schedule_runs_nothing_of_the_past(project):
    orch = start(project(cron="* * * * *"), "2026-11-27T15:29:30Z")
    assert not orch.runs()


DAYS = [f"202611{d - 1} 2026-11-{d}T09:30" for d in (26, 27, 28, 29)]


@pytest.mark.parametrize("more, want, missed", [
    ("", DAYS[-1:], 3), ("missed: last", DAYS[-1:], 3), ("missed: skip", [], 4), ("missed: all", DAYS, 0),
    ("missed: all\n    max_missed: 2", DAYS[-2:], 2)])
def test_times_that_passed_while_it_was_down(project, more, want, missed):
    orch = start(project(more=more), "2026-11-25T16:00:00Z")
    assert orch.stop() == 0
    start(orch, "2026-11-29T20:00:00Z")
    assert done(orch) == want
    assert outcomes(orch) == {"run": len(want), "skipped": 0, "missed": missed}
    # The same days do not come again at a restart.
    assert orch.stop() == 0
    orch.start(env=clock("2026-11-29T21:00:00Z"))
    orch.ctl("sensors", "tick", "nightly")
    assert done(orch) == want


def test_a_clock_that_is_set_back(project):
    """What was done is not done again; a time that is still to come is kept, though a later one was seen."""
    orch = start(project(more="missed: all"), "2026-11-27T12:00:00Z")
    assert orch.stop() == 0
    start(orch, "2026-11-27T20:00:00Z")
    assert done(orch) == DAYS[1:2]
    assert orch.stop() == 0
    for again in ("2026-11-27T15:29:59Z", "2026-11-26T15:29:59Z"):
        orch.start(env=clock(again))
        wait_until(lambda: schedule(orch)["last_tick_at"].startswith(again[:11] + "15:30"), "half past nine in Chicago")
        done(orch)
        assert orch.stop() == 0
    assert done_lines(orch) == [DAYS[1], DAYS[0]]


def test_a_time_just_passed_is_on_time(project):
    orch = start(project(more="missed: skip"), "2026-11-27T15:29:00Z")
    assert orch.stop() == 0
    start(orch, "2026-11-27T15:30:20Z")
    assert done(orch) == ["20261126 2026-11-27T09:30"]


def test_killed_while_it_catches_up(project):
    orch = start(project(cron="*/10 * * * *", more="missed: all"), "2026-11-27T00:00:30Z")
    want = [f"2026-11-26T{18 + m // 60:02d}:{m % 60:02d}" for m in range(10, 301, 10)]
    for hour in (2, 4, 5):
        for ready in (False, True):
            orch.kill()
            orch.start(env=clock(f"2026-11-27T0{hour}:00:30Z"), ready=ready)
    orch.kill()
    orch.start(env=clock("2026-11-27T05:00:40Z"))
    done(orch)
    assert sorted(r["why"].split()[2] for r in runs(orch)) == want, "each time has its run, and one alone"


def test_what_finds_no_room_is_asked_for_again(project):
    orch = project(more="missed: all", limits="max_runs: 1, max_queued: 2")
    start(orch, "2026-11-25T16:00:00Z")
    assert orch.stop() == 0
    start(orch, "2026-11-29T20:00:00Z")
    first = [t for t in orch.ctl("sensors", "ticks", "nightly")["ticks"] if t["first_at"] > "2026-11-29"][-1]
    assert first["requested"] == 2 and "the queue is full" in first["reason"]
    assert schedule(orch)["next_tick_at"] < "2026-11-29T20:30", "it does not wait for the next day"
    while len(done(orch)) < 4:
        orch.ctl("sensors", "tick", "nightly")
    assert done(orch) == DAYS


def test_clocks_go_forward(project):
    """02:30 is skipped on 8 March, and comes as much later."""
    orch = start(project(cron="30 1,2 * * *", more="missed: all"), "2026-03-07T12:00:00Z")
    first, second, third = schedule(orch)["schedule"]["next"][:3]
    assert (first["at"], first["local"]) == ("2026-03-08T07:30:00.000Z", "2026-03-08 01:30 CST")
    assert (second["at"], second["local"], second["clock_changed"]) == ("2026-03-08T08:30:00.000Z", "2026-03-08 03:30 CDT", True)
    assert third["at"] == "2026-03-09T06:30:00.000Z" and not third["clock_changed"]
    assert "the clock has changed" in Page(orch).text("/schedules")
    assert orch.stop() == 0
    start(orch, "2026-03-08T20:00:00Z")
    assert [line.split()[1] for line in done(orch)] == ["2026-03-08T01:30", "2026-03-08T03:30"]


def test_clocks_go_back(project):
    """01:30 is there twice on 1 November, and comes once."""
    orch = start(project(cron="30 1,2 * * *", more="missed: all"), "2026-11-01T04:00:00Z")
    assert orch.stop() == 0
    start(orch, "2026-11-01T20:00:00Z")
    assert [line.split()[1] for line in done(orch)] == ["2026-11-01T01:30", "2026-11-01T02:30"]


def test_it_is_shown_the_same_everywhere(project):
    orch = start(project(), "2026-11-27T12:00:00Z")
    page = Page(orch)
    (api,) = page.json("/api/v1/schedules?next=3")["schedules"]
    (cli,) = orch.ctl("schedules", "next", "nightly", "--limit", "3")["schedules"]
    assert api == cli and [t["local"] for t in api["schedule"]["next"]] == [f"2026-11-{d} 09:30 CST" for d in (27, 28, 29)]
    text = page.text("/schedules")
    assert all(t["local"] in text for t in api["schedule"]["next"]) and "30 9 * * * (America/Chicago)" in text
    assert "nightly" not in page.text("/sensors").split("<main")[1], "it has a page of its own"
    assert 'href="/schedules" aria-current="page"' in page.text("/sensors/nightly")
    orch.ctl("sensors", "pause", "nightly")
    assert schedule(orch)["paused"]
    with pytest.raises(Failed, match="no schedule 'weekly'"):
        orch.ctl("schedules", "next", "weekly")


@pytest.mark.parametrize("cron, more, says", [
    ("61 * * * *", "", "cron: '61' is no minute"), ("0 0 31 2 *", "", "never comes"), ("0 9 * *", "", "no day of week"),
    ("0 9 * * *", "every: 1h", "takes no 'every'"), ("0 9 * * *", "missed: some", "none of skip, last, all"),
    ("0 9 * * *", "run_key: '{site}'", "site")])
def test_what_cannot_be_meant_is_told(project, cron, more, says):
    told = project(cron=cron, more=more).text("validate", code=7)
    assert says in told and re.search(r"orch\.yaml:\d+:\d+: error: ", told)
