"""Metrics: what a scrape says is well-formed by the reference parsers, complete, bounded, and true."""

import datetime
import os
import re
import shutil
import subprocess
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from orch import SENSOR
from page import daemon_that_knows_everything

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
# Of Prometheus 2.42.
ACCEPT = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

NAMES = """
orchd_build_info orchd_start_time_seconds orchd_loop_lag_seconds orchd_recovery_duration_seconds orchd_sensor_ticks_total
orchd_schedule_ticks_total orchd_sensor_tick_duration_seconds orchd_sensor_last_success_timestamp_seconds orchd_sensor_keys orchd_runs orchd_runs_total
orchd_step_duration_seconds orchd_step_start_delay_seconds orchd_step_retries_total orchd_pool_slots orchd_queue_oldest_age_seconds
orchd_asset_last_materialization_timestamp_seconds orchd_asset_late orchd_outbox_pending orchd_outbox_oldest_age_seconds
orchd_deletes_total orchd_raw_held_bytes orchd_s3_requests_total orchd_s3_request_duration_seconds orchd_s3_bytes_total orchd_mysql_up
orchd_mysql_statement_duration_seconds orchd_journal_commit_duration_seconds orchd_state_db_bytes orchd_disk_free_bytes
orchd_http_requests_total process_cpu_seconds_total process_open_fds process_max_fds process_start_time_seconds
process_virtual_memory_bytes process_virtual_memory_max_bytes process_resident_memory_bytes
""".split()

# One daemon for all of them.
pytestmark = pytest.mark.xdist_group("metrics")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with daemon_that_knows_everything(tmp_path_factory.mktemp("metrics")) as orch:
        yield orch


def scrape(page, accept="text/plain"):
    return page.text("/metrics", Accept=accept)


def values(page):
    """{name: {labels as a sorted tuple: value}}"""
    found = {}
    for family in parse_text(scrape(page)):
        for s in family.samples:
            labels = tuple(sorted(s.labels.items()))
            assert labels not in found.setdefault(s.name, {}), f"{s.name} {labels} twice"
            found[s.name][labels] = s.value
    return found


def get(page, name, **labels):
    return values(page).get(name, {}).get(tuple(sorted(labels.items())))


def described(text):
    return re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)


def test_reference_parsers(lab):
    text, openly = scrape(lab.page), scrape(lab.page, OPEN_METRICS)
    assert openly.endswith("\n# EOF\n") and "# EOF" not in text and "# UNIT" not in text
    families = {f.name: f for f in parse_open_metrics(openly)}
    for name, family in families.items():
        assert family.documentation, name
        if family.unit:
            assert name.endswith("_" + family.unit)
        elif family.type != "info":
            assert not name.endswith(("_seconds", "_bytes")), f"{name} has a unit"
    kinds = {f.type for f in families.values()}
    assert kinds == {"gauge", "counter", "histogram", "unknown"}
    assert [n for n, f in families.items() if f.type == "unknown"] == ["orchd_runs_total"]
    # Both formats say the same samples, but for what passes between two scrapes.
    names = {s.name for f in families.values() for s in f.samples}
    assert names == {s.name for f in parse_text(text) for s in f.samples}
    for name, kind in described(text):
        assert (kind == "counter") == name.endswith("_total"), name
    assert len(described(text)) == len(dict(described(text)))


def test_the_format_is_negotiated(lab):
    def kind(accept):
        return lab.page.get("/metrics", **({"Accept": accept} if accept else {}))[1]["Content-Type"]
    text, openly = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"
    for accept, want in ((None, text), ("*/*", text), ("text/plain", text), (OPEN_METRICS, openly), (ACCEPT, openly),
                         ("text/plain;q=0.9,application/openmetrics-text;q=0.1", text), ("application/openmetrics-text;q=0", text),
                         ("application/openmetrics-text; version=0.0.1", text), ("application/openmetrics-textual", text),
                         ("text/plain;q=0.2, Application/OpenMetrics-Text ;q=0.3", openly), (",,;q=,", text)):
        assert kind(accept) == want, accept


@needs_promtool
def test_promtool_finds_nothing(lab):
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=scrape(lab.page), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done.stdout + done.stderr


def test_every_name_is_there(lab):
    there = {n for n, _ in described(scrape(lab.page))}
    assert set(NAMES) <= there, set(NAMES) - there


def test_labels_are_bounded(lab):
    """Names of the configuration and words of ours; no run, partition, date or key."""
    named = {"analysis_job", "broken_job", SENSOR, "leap_day", "hook", "analysis", "data", "(none)"} | {a["name"] for a in lab.ctl("assets", "list")["assets"]}
    for name, samples in values(lab.page).items():
        for labels in samples:
            for label, value in labels:
                if label in ("job", "sensor", "schedule", "asset", "sink", "pool", "store", "database"):
                    assert value in named, f"{name} {labels}"
                elif label not in ("le", "version"):
                    assert re.fullmatch(r"[a-z_]+|[2-5]\d\d|(net|http|s3)\.[A-Za-z_]+", value), f"{name} {labels}"
    assert len(scrape(lab.page)) < 100_000


def test_it_is_true(lab):
    seen = values(lab.page)

    def v(name, **labels):
        return seen[name][tuple(sorted(labels.items()))]
    runs = lab.runs()
    for state, outcome in (("succeeded", "warnings"), ("failed", None)):
        count = len([r for r in runs if r["job"] == "analysis_job" and r["state"] == state and (outcome is None or r["outcome"] == outcome)])
        assert v("orchd_runs_total", job="analysis_job", outcome=outcome or state) == count
    assert v("orchd_runs_total", job="broken_job", outcome="failed") == 1
    assert v("orchd_runs", job="analysis_job", state="running") == 0
    for asset in ("unzip", "analyze", "cleanup", "broken"):
        assert v("orchd_step_duration_seconds_count", asset=asset) == 1
    assert v("orchd_step_start_delay_seconds_count") == 4
    took = lab.steps(lab.done["id"])["analyze"]["attempts"][0]
    # Of the process itself; the daemon's own times have its start and its end around it.
    assert 0.1 < v("orchd_step_duration_seconds_sum", asset="analyze") <= seconds(took["started_at"], took["ended_at"])
    assert v("orchd_sensor_ticks_total", sensor=SENSOR, outcome="requested") == 1
    assert sum(n for labels, n in seen["orchd_sensor_ticks_total"].items() if ("sensor", SENSOR) in labels) == v("orchd_sensor_tick_duration_seconds_count", sensor=SENSOR) >= 2
    assert not any(v("orchd_schedule_ticks_total", schedule="leap_day", outcome=o) for o in ("run", "skipped", "missed"))
    assert v("orchd_sensor_paused", sensor=SENSOR) == 1 and v("orchd_sensor_late", sensor=SENSOR) == 0
    keys = lab.ctl("sensors", "keys", SENSOR)["keys"]
    for verdict in ("pending", "complete", "ignored"):
        assert v("orchd_sensor_keys", sensor=SENSOR, state=verdict) == len([k for k in keys if k["verdict"] == verdict])
    assert v("orchd_raw_held_bytes") == sum(k["bytes"] or 0 for k in keys if k["verdict"] != "ignored") > 0
    # What the step that cleans up has counted came with its record.
    assert v("orchd_deletes_total", outcome="deleted") >= lab.steps(lab.done["id"])["cleanup"]["metadata"]["deleted"] > 0
    assert v("orchd_outbox_pending", sink="hook") == 1 and v("orchd_outbox_oldest_age_seconds", sink="hook") > 0
    assert v("orchd_notifications_total", sink="hook", outcome="failed") == 1
    assert v("orchd_pool_slots", pool="analysis", state="used") == 0 and v("orchd_pool_slots", pool="analysis", state="free") == 1
    assert v("orchd_store_up", store="data") == 1
    assert v("process_resident_memory_bytes") > 1e6 and v("process_open_fds") < v("process_max_fds")
    assert abs(v("process_start_time_seconds") - v("orchd_start_time_seconds")) < 5
    assert time.time() - 3600 < v("orchd_start_time_seconds") < time.time()
    for name in ("orchd_loop_lag_seconds", "orchd_journal_commit_duration_seconds"):
        buckets = [n for labels, n in seen[f"{name}_bucket"].items()]
        assert buckets == sorted(buckets) and buckets[-1] == v(f"{name}_count") > 0
    assert (("le", "0.02"),) in seen["orchd_loop_lag_seconds_bucket"]


def seconds(start, end):
    return (parse_time(end) - parse_time(start)) / 1000


def parse_time(iso):
    return datetime.datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp() * 1000


def test_http_requests_are_counted(lab):
    before = get(lab.page, "orchd_http_requests_total", code="404") or 0
    for _ in range(3):
        assert lab.page.get("/nowhere")[0] == 404
    assert get(lab.page, "orchd_http_requests_total", code="404") == before + 3


def test_places_in_status(lab):
    status = lab.ctl("status")
    (store,), (database,) = status["stores"], status["databases"]
    assert (store["name"], store["type"], store["error"], store["failed_at"]) == ("data", "dir", None, None) and store["ok_at"]
    assert (database["name"], database["type"]) == ("results", "sqlite") and database["ok_at"], "as the step that wrote the rows has seen it"
    assert "results" not in scrape(lab.page), "no MySQL server, so nothing about one"
