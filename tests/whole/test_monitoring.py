"""What is shipped for Prometheus and Grafana: valid, tested, and about metrics that a daemon has."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from orch import SRC
from page import daemon_that_knows_everything

RULES = SRC / "etc" / "prometheus" / "orchd.rules.yml"
RULE_TESTS = SRC / "etc" / "prometheus" / "orchd.rules.test.yml"
DASHBOARD = SRC / "etc" / "grafana" / "orchd.json"
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None and not os.environ.get("CI"), reason="promtool is not installed")
pytestmark = pytest.mark.xdist_group("monitoring")

# Labels that the scrape adds, and the one of ours that it renames.
OF_THE_SCRAPE = {"instance", "job", "exported_job"}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """{name of a series: its labels, None where it has no sample yet}, as a daemon says them."""
    with daemon_that_knows_everything(tmp_path_factory.mktemp("monitoring")) as orch:
        text = orch.page.text("/metrics")
    found = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        for series in (name,) if kind != "histogram" else (f"{name}_bucket", f"{name}_sum", f"{name}_count"):
            found[series] = None
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.M):
        found[name] = (found[name] or set()) | set(re.findall(r'(\w+)="', labels))
    return found


@pytest.fixture(scope="module")
def rules():
    return [r for g in yaml.safe_load(RULES.read_text())["groups"] for r in g["rules"]]


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text())


def queries(dashboard):
    found = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", ())]
    return found + [a["expr"] for a in dashboard["annotations"]["list"]]


def promtool(*args, cwd=None):
    done = subprocess.run([PROMTOOL, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_names(expr, exposed):
    used = set(re.findall(r"\b(?:orchd|process)_\w+", expr))
    assert used or "up{" in expr, f"no metric in {expr}"
    assert used <= set(exposed), f"{used - set(exposed)} in {expr}"
    for name, labels in re.findall(r"\b((?:orchd|process)_\w+)\{([^}]*)\}", expr):
        if exposed[name] is not None:
            wanted = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels)) - OF_THE_SCRAPE
            assert wanted <= exposed[name], f"{name} has {exposed[name]}, not {wanted}: {expr}"
    grouped = {label for by in re.findall(r"\bby \(([^)]*)\)", expr) for label in re.split(r",\s*", by)}
    known = set().union(*(exposed[n] or grouped for n in used)) | OF_THE_SCRAPE
    assert grouped <= known, f"{grouped - known} is a label of none of {used}"


def test_rules_are_about_what_is_there(rules, exposed):
    assert len({r["alert"] for r in rules}) == len(rules) > 15
    for rule in rules:
        check_names(rule["expr"], exposed)
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"], rule["alert"]
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            names = set().union(*(exposed[n] or {label} for n in re.findall(r"\b(?:orchd|process)_\w+", rule["expr"])))
            assert label in names | OF_THE_SCRAPE, f"{rule['alert']} speaks of {label}"


def test_every_rule_has_a_test(rules):
    tested = {}
    for case in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        (check,) = case["promql_expr_test"]
        assert f'"{case["name"]}"' in check["expr"] and check["exp_samples"], case["name"]
        calm = [s for s in case["input_series"] if "calm" in s["series"]]
        tested[case["name"]] = tested.get(case["name"], False) or bool(calm)
        assert "calm" not in json.dumps(check["exp_samples"])
    assert tested == {r["alert"]: True for r in rules}


@needs_promtool
def test_rules_do_as_their_tests_say():
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", RULE_TESTS.name, cwd=RULES.parent)


@needs_promtool
def test_a_rule_that_is_wrong_fails_its_test(tmp_path):
    shutil.copy(RULE_TESTS, tmp_path)
    text = RULES.read_text()
    (tmp_path / RULES.name).write_text(text.replace("orchd_asset_late == 1", "orchd_asset_late == 2"))
    done = subprocess.run([PROMTOOL, "test", "rules", RULE_TESTS.name], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1 and "OrchdAssetLate" in done.stdout + done.stderr


def test_dashboard_is_about_what_is_there(dashboard, exposed):
    assert len(queries(dashboard)) > 40
    for expr in queries(dashboard):
        check_names(expr, exposed)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            names = set().union(*(exposed[n] or set() for n in re.findall(r"\b(?:orchd|process)_\w+", target["expr"])))
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert not names or legend <= names | OF_THE_SCRAPE, f"{panel['title']}: {target['legendFormat']}"


def test_dashboard_is_in_order(dashboard):
    """Panels have their own ids and places, and use the data source that is chosen."""
    assert len({p["id"] for p in dashboard["panels"]}) == len(dashboard["panels"])
    taken = {}
    for p in dashboard["panels"]:
        g = p["gridPos"]
        assert g["x"] + g["w"] <= 24, p["title"]
        for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
            assert cell not in taken, f"{p['title']} lies on {taken[cell]}"
            taken[cell] = p["title"]
        for target in p.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert "$instance" in target["expr"], p["title"]
        refs = [t["refId"] for t in p.get("targets", ())]
        assert len(refs) == len(set(refs))
    assert {v["name"] for v in dashboard["templating"]["list"]} == {"datasource", "instance"}


@needs_promtool
def test_dashboard_can_be_asked(dashboard, tmp_path):
    """Every query is one for Prometheus, once Grafana has put its variables in."""
    rules = [{"record": f"panel:{i}", "expr": e.replace("$__rate_interval", "5m").replace("$instance", ".*")} for i, e in enumerate(queries(dashboard))]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")
