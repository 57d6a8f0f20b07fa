"""What steps say they have checked: kept with severity and metadata, shown by orchctl, the API and the pages alike."""

import json

from orch import wait_until
from page import Page

CONFIG = """
state_dir: ./state
web: {{listen: '127.0.0.1:0'}}
assets:
  speak: {{type: exec, shell: true, command: ['cat {root}/said >> "$ORCH_JOURNAL"'], retries: 0, partition: '{{night}}'}}
"""


def message(name, passed, severity, metadata=None):
    return json.dumps({"__dagster_pipes_version": "0.1", "method": "report_asset_check", "params": {
        "asset_key": "speak", "check_name": name, "passed": passed, "severity": severity, "metadata": metadata}})


def run(orch, messages):
    (orch.root / "said").write_text("".join(m + "\n" for m in messages))
    return orch.wait_run(orch.ctl("materialize", "speak", "--detach", "-s", "night=a/b")["run"])


def test_severity_and_metadata(orch):
    orch.configure(CONFIG.format(root=orch.root)).start()
    done = run(orch, [
        message("rows", True, "ERROR", {"n": {"raw_value": 180, "type": "int"}, "table": {"raw_value": {"a": [1]}, "type": "json"}}),
        message("clouds: thin", False, "WARN", {"cover": {"raw_value": 0.25, "type": "float"}}),
        message("<b>wind</b>", False, "ERROR"),
    ])
    assert (done["state"], done["outcome"]) == ("succeeded", "warnings"), "it is made, and somebody should look"
    told = [(c["check"], c["passed"], c["severity"], c["metadata"], c["metadata_cut"], c["text"]) for c in done["checks"]]
    assert told == [
        ("rows", True, "ERROR", {"n": 180, "table": {"a": [1]}}, 0, "rows: passed"),
        ("clouds: thin", False, "WARN", {"cover": 0.25}, 0, "clouds: thin: failed"),
        ("<b>wind</b>", False, "ERROR", None, 0, "<b>wind</b>: failed"),
    ]
    assert {(c["run"], c["asset"], c["attempt"]) for c in done["checks"]} == {(done["id"], "speak", 1)}
    assert orch.ctl("assets", "show", "speak")["checks"] == done["checks"]
    assert "clouds: thin: failed (WARN)" in orch.text("assets", "show", "speak")

    page = Page(orch)
    for path in ("/assets/speak", f"/runs/{done['id']}"):
        wait_until(lambda p=path: "clouds: thin" in page.text(p), f"{path} shows the checks")
        text = page.text(path)
        assert all(word in text for word in ("passed</span>", "warned</span>", "failed</span>", "&lt;b&gt;wind&lt;/b&gt;", "0.25")), text
    assert page.json(f"/api/v1/runs/{done['id']}")["checks"] == done["checks"]


def test_only_a_warning_and_only_good_ones(orch):
    orch.configure(CONFIG.format(root=orch.root)).start()
    assert run(orch, [message("clouds", False, "WARN")])["outcome"] == "warnings"
    done = run(orch, [message("rows", True, "ERROR"), message("clouds", True, "WARN")])
    assert done["outcome"] == "ok" and [c["severity"] for c in orch.ctl("assets", "show", "speak")["checks"]] == ["ERROR", "WARN"]


def test_no_more_than_there_is_room_for(orch):
    """Too many, too long a name, too much metadata: cut, told, and nothing else suffers."""
    orch.configure(CONFIG.format(root=orch.root)).start()
    large = {f"m{n}": {"raw_value": "x" * 900, "type": "text"} for n in range(8)} | {"small": {"raw_value": 1, "type": "int"}}
    done = run(orch, [message("n" * 300, True, "WARN", large)] + [message(f"c{n}", True, "ERROR") for n in range(150)])
    assert done["state"] == "succeeded" and len(done["checks"]) == 100
    first = done["checks"][0]
    assert first["check"] == "n" * 200 and len(json.dumps(first["metadata"])) < 4200
    assert set(first["metadata"]) == {"m0", "m1", "m2", "m3", "small"} and first["metadata_cut"] == 4
