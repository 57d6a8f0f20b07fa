"""The API and its description: the document is valid, names every machine-readable route, and every answer is as it says."""

import copy
import json
import re
import urllib.parse

import jsonschema
import pytest

from orch import SENSOR, SRC
from page import daemon_that_knows_everything

DIALECT = jsonschema.Draft202012Validator
FORMATS = jsonschema.FormatChecker(())
# What answers something else than a screen but describes nothing of ours.
NOT_DESCRIBED = {"/static/*", "/favicon.ico"}
# Served before the table of routes is asked.
BESIDE_THE_TABLE = {"/events", "/picture/*/*"}


@FORMATS.checks("date-time")
def is_time(value):
    """As we write it: UTC, to the second or the millisecond."""
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", value) is not None

# One daemon for all of them.
pytestmark = pytest.mark.xdist_group("api")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with daemon_that_knows_everything(tmp_path_factory.mktemp("api")) as orch:
        yield orch


@pytest.fixture(scope="module")
def doc(lab):
    return lab.page.json("/api/v1/openapi.json")


def every(value, where=""):
    """All objects inside, with their places."""
    if isinstance(value, dict):
        yield where, value
        for name, item in value.items():
            yield from every(item, f"{where}/{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from every(item, f"{where}/{i}")


def closed(needed, /, **properties):
    return {"type": "object", "required": needed.split(), "properties": properties, "additionalProperties": False}


# The part of OpenAPI 3.1 that the document uses, and nothing beside it.
SCHEMA = {"type": "object", "minProperties": 1}
TEXT = {"type": "string", "minLength": 1}
PARAMETER = closed("name in required description schema", name=TEXT, **{"in": {"enum": ["path", "query"]}}, required={"type": "boolean"},
                   description=TEXT, schema=SCHEMA)
RESPONSE = closed("description content", description=TEXT,
                  content={"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[a-z]+/[a-z+-]+$"},
                           "additionalProperties": closed("schema", schema=SCHEMA)})
OPERATION = closed("summary parameters responses", summary=TEXT, parameters={"type": "array", "items": PARAMETER},
                   responses={"type": "object", "required": ["200"], "propertyNames": {"pattern": "^[2-5][0-9][0-9]$"}, "additionalProperties": RESPONSE})
DOCUMENT = closed("openapi info paths components", openapi={"const": "3.1.0"}, info=closed("title version description", title=TEXT, version=TEXT, description=TEXT),
                  paths={"type": "object", "propertyNames": {"pattern": "^/"}, "additionalProperties": closed("get", get=OPERATION)},
                  components=closed("schemas", schemas={"type": "object", "propertyNames": {"pattern": "^[A-Za-z]+$"}, "additionalProperties": SCHEMA}))


def test_document_is_openapi(doc):
    DIALECT.check_schema(DOCUMENT)
    DIALECT(DOCUMENT).validate(doc)
    for path, item in doc["paths"].items():
        named = [p["name"] for p in item["get"]["parameters"] if p["in"] == "path"]
        assert sorted(re.findall(r"\{(\w+)\}", path)) == sorted(named), path
        assert all(p["required"] == (p["in"] == "path") for p in item["get"]["parameters"]), path
        names = [p["name"] for p in item["get"]["parameters"]]
        assert len(names) == len(set(names)), path
    for name, schema in doc["components"]["schemas"].items():
        DIALECT.check_schema(schema)
        assert any(o.get("$ref") == f"#/components/schemas/{name}" for _, o in every(doc)), f"{name} is used nowhere"
    for where, o in every(doc):
        if "$ref" in o:
            assert o["$ref"].rsplit("/", 1)[1] in doc["components"]["schemas"], where
        if o.get("type") == "object" and "properties" in o:
            assert set(o.get("required", ())) <= set(o["properties"]), where
            # Strict: a member that the document does not name is an error here, or it would never get there.
            outer = where.rsplit("/allOf/", 1)[0].rsplit("/", 1)[1]
            assert o.get("additionalProperties") is False or "/allOf/" in where or outer.endswith("Fields"), f"{where} is open"


def routes():
    table = "".join(p.read_text() for p in (SRC / "src" / "web").glob("*.c"))
    found = set(re.findall(r'^\s+\{"(/[^"]*)", \w+', table, re.M))
    assert len(found) > 20
    return found


def concrete(lab, pattern):
    """A path that this route answers."""
    fill = {"/runs/*": lab.done["id"], "/api/v1/runs/*": lab.done["id"], "/assets/*": "analyze", "/api/v1/assets/*": "analyze",
            "/badge/*": "analyze.svg", "/partition/*": lab.done["partition"], "/api/v1/why/*": lab.done["partition"]}
    for start, value in fill.items():
        if pattern.startswith(start):
            pattern = start.replace("*", str(value)) + pattern.removeprefix(start)
    return pattern.replace("*", SENSOR)


def test_every_route_is_described_or_a_screen(lab, doc):
    described = {re.sub(r"\{\w+\}", "*", p) for p in doc["paths"]}
    there = {r.replace("**", "*") for r in routes()} - NOT_DESCRIBED | BESIDE_THE_TABLE
    assert described <= there, "described, but not there"
    for route in sorted(there - described):
        status, headers, _ = lab.page.get(concrete(lab, route))
        assert status == 200 and headers["Content-Type"].startswith("text/html"), f"{route} is neither a screen nor described"


def cases(lab):
    """Requests for each path of the document: what stands for its parameters, and the query."""
    run, failed, partition = lab.done["id"], lab.failed, urllib.parse.quote(lab.done["partition"])
    assets = [{"name": a["name"]} for a in lab.ctl("assets", "list")["assets"]]
    return {
        "/api/v1/runs": ["", "?state=failed", "?limit=1", "?before=2", "?job=analysis_job&origin=sensor", "?partition=uao"],
        "/api/v1/runs/{id}": [{"id": run}, {"id": failed}],
        "/api/v1/runs/{id}/logs": [{"id": run}, {"id": failed}],
        "/api/v1/assets/{name}": assets,
        "/api/v1/sensors/{name}/keys": [{"name": SENSOR}],
        "/api/v1/sensors/{name}/ticks": [{"name": SENSOR}],
        "/api/v1/schedules": ["", "?next=20"],
        "/api/v1/audit": ["", "?id=1"],
        "/api/v1/nights": ["", "?days=3", "?until=20260408"],
        "/api/v1/events": ["", "?limit=2", "?after=5"],
        "/api/v1/why/{what}": [{"what": partition}, {"what": "uao/20260409"}],
        "/badge/{name}": [{"name": f"{a['name']}.svg"} for a in assets],
        "/picture/{id}/{key}": [{"id": run, "key": k} for k in lab.keys("SummaryImages/")[:1]],
    }


def check(doc, schema, body, where):
    answer = json.loads(body)
    validator = DIALECT({"allOf": [schema], "components": doc["components"]}, format_checker=FORMATS)
    wrong = [f"{where}: {'.'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(answer)]
    assert not wrong, "\n".join(wrong)
    return answer


def test_answers_are_as_described(lab, doc):
    known = cases(lab)
    assert set(known) <= set(doc["paths"])
    for path, item in doc["paths"].items():
        if path == "/events":  # it never ends; test_page reads it
            continue
        assert path in known or "{" not in path, f"no request for {path}"
        for case in known.get(path, [""]):
            where = path.format(**case) if isinstance(case, dict) else path + case
            status, headers, body = lab.page.get(where)
            assert status == 200, f"{where}: {status} {body[:300]}"
            content = item["get"]["responses"]["200"]["content"]
            kind = headers["Content-Type"].split(";")[0]
            assert kind in content, f"{where}: {kind}"
            if kind == "application/json":
                answer = check(doc, content[kind]["schema"], body, where)
                assert path.endswith("openapi.json") or answer["schema"] == "orchd/1"


def test_refusals_are_as_described(lab, doc):
    for path, item in doc["paths"].items():
        responses = item["get"]["responses"]
        if "404" not in responses:
            assert "{" not in path, f"{path}: what when there is no such thing?"
            continue
        status, headers, body = lab.page.get(re.sub(r"\{\w+\}", "nothing-like-it", path.replace("{id}", "999999")) + ("" if "{" in path else "?id=999999"))
        assert status == 404, path
        kind = headers["Content-Type"].split(";")[0]
        content = responses["404"]["content"]
        assert kind in content, f"{path}: {kind}"
        if kind == "application/json":
            assert check(doc, content[kind]["schema"], body, path)["error"]["code"] == "not_found"


def test_orchctl_says_the_same(lab, doc):
    """One serializer: what --json prints fits the schema of the API."""
    pairs = {"Runs": ("runs", "list"), "RunShow": ("runs", "show", lab.failed), "Assets": ("assets", "list"), "Sensors": ("sensors", "list"),
             "Keys": ("sensors", "keys", SENSOR), "Status": ("status",), "AuditReport": ("audit", "--last"), "Why": ("why", lab.done["partition"])}
    for name, args in pairs.items():
        check(doc, {"$ref": f"#/components/schemas/{name}"}, lab.orchctl("--json", *args).stdout, f"orchctl {' '.join(map(str, args))}")


def test_the_check_is_strict(lab, doc):
    """A member that the document does not name is refused, inside of composed schemas too."""
    for name, member, whole, path in (("Status", "version", "Status", "/api/v1/status"), ("RunFields", "why", "Runs", "/api/v1/runs"),
                                      ("RunFields", "why", "RunShow", f"/api/v1/runs/{lab.failed}")):
        poor = copy.deepcopy(doc)
        schema = poor["components"]["schemas"][name]
        del schema["properties"][member]
        schema["required"].remove(member)
        with pytest.raises(AssertionError, match=member):
            check(poor, {"$ref": f"#/components/schemas/{whole}"}, lab.page.text(path), path)
