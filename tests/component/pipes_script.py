"""A script that speaks Dagster Pipes 0.1 with the standard library only, as the published package does: parameters
from base64 of zlib-deflated JSON in two variables, context by "data" or "path", one message a line appended to "path"."""

import base64
import json
import os
import sys
import zlib


def param(name):
    return json.loads(zlib.decompress(base64.b64decode(os.environ[name])).decode("utf-8"))


context_params = param("DAGSTER_PIPES_CONTEXT")
messages = param("DAGSTER_PIPES_MESSAGES")["path"]
if "path" in context_params:
    with open(context_params["path"], encoding="utf-8") as f:
        context = json.load(f)
else:
    context = context_params["data"]


def put(method, params):
    with open(messages, "a", encoding="utf-8") as f:
        f.write(json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params}) + "\n")


put("opened", {"extras": {}})
asset = context["asset_keys"][0]
if sys.argv[1] == "good":
    print(json.dumps(context))
    put("log", {"message": "half way", "level": "INFO"})
    put("report_custom_message", {"payload": {"progress": {"what": "images", "done": 3, "total": 180}}})
    put("report_custom_message", {"payload": {"anything": [1, 2]}})
    put("report_asset_check", {"asset_key": asset, "check_name": "rows", "passed": False, "metadata": None,
                               "severity": "ERROR"})
    put("report_asset_materialization", {"asset_key": asset, "data_version": None, "metadata": {
        "rows": {"raw_value": 180, "type": "int"},
        "wind": {"raw_value": float("nan"), "type": "__infer__"},
        "table": {"raw_value": {"a": 1}, "type": "json"}}})
    put("closed", {})
elif sys.argv[1] == "bad":
    put("closed", {"exception": {"message": "ValueError: no laser images\n", "stack": ["  File x\n"],
                                 "name": "ValueError", "cause": None, "context": None}})
    sys.exit(1)
elif sys.argv[1] == "big":
    assert "path" in context_params
    print(len(context["extras"]["orch"]["upstream"]["x"]["blob"]))
    put("closed", {})
