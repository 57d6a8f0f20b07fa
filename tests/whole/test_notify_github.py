"""Issues on GitHub: one for each group and label, found again, closed; limits, refusals, answers that are lost."""

import pytest

from notify_servers import GitHub
from orch import wait_until
from test_notify import BAD_LASER, CANARY, CLOUDS, QUICK, night, no_secret_anywhere, outbox, project, settled, work


def github(hub, more=""):
    return (f"{{type: github, repository: obs/nights, api: '{hub.url}', token: {{env: NOTIFY_TOKEN}}, group: '{{site}}', "
            "title: '[Site: {site}] {label}', "
            "titles: {'error:laser_centerfinding': '[Site: {site}] Error: BadLaserError'}, "
            "labels: ['site:{site}'], label_map: {'error:': 'data_processing:error', 'warning:': 'data_processing:warning'}, "
            f"assignees: {{uao: 'ann bob', default: cy}}, {more}{QUICK}}}")


def test_github_one_open_issue_per_group_and_label(orch):
    with GitHub("obs/nights", CANARY, users=("ann", "bob", "cy")) as hub:
        hub.open_by_hand("not ours", BAD_LASER[0])
        hub.open_by_hand("a pull request", BAD_LASER[0], pull=True)
        project(orch, {"issues": github(hub)})
        orch.start()
        work(orch, warn=[BAD_LASER, CLOUDS])
        night(orch)
        settled(orch, 2)
        laser, clouds = hub.issues[2:]
        assert laser["title"] == "[Site: uao] Error: BadLaserError"
        assert laser["labels"] == [BAD_LASER[0], "data_processing:error", "site:uao"]
        assert laser["assignees"] == ["ann", "bob"]
        assert clouds["title"] == "[Site: uao] warning:cloud_sensor_data"
        assert clouds["labels"] == [CLOUDS[0], "data_processing:warning", "site:uao"]
        assert all(line.startswith("    ") for line in clouds["body"].splitlines() if "@everyone" in line)
        # A repeat is a comment, another site another issue.
        night(orch, date="20260408")
        night(orch, site="mto")
        settled(orch, 6)
        assert [len(i["comments"]) for i in hub.issues[2:]] == [1, 1, 0, 0]
        assert hub.issues[4]["title"] == "[Site: mto] Error: BadLaserError" and hub.issues[4]["assignees"] == ["cy"]
        assert "uao/20260408" in laser["comments"][0]["body"]
        # One label goes away: its issue is closed with a comment, the other gets one more.
        work(orch, warn=[CLOUDS])
        night(orch, date="20260409")
        settled(orch, 8)
        assert (laser["state"], laser["state_reason"], len(laser["comments"])) == ("closed", "completed", 2)
        assert (clouds["state"], len(clouds["comments"])) == ("open", 2)
        # After that it is a new issue; those of others were never touched.
        work(orch, warn=[BAD_LASER])
        night(orch, date="20260410")
        settled(orch, 10)
        assert hub.issues[-1]["title"] == laser["title"] and clouds["state"] == "closed"
        assert hub.issues[-1]["number"] == 7 and not hub.issues[0]["comments"] and not hub.issues[1]["comments"]
        assert orch.stop() == 0
        no_secret_anywhere(orch)


ISSUES = "/repos/obs/nights/issues"


@pytest.mark.parametrize("lost", [("POST", ISSUES), ("POST", ISSUES + "/1/comments"), ("PATCH", ISSUES + "/1")])
def test_github_an_answer_that_is_lost_doubles_nothing(orch, lost):
    with GitHub("obs/nights", CANARY, users=("ann", "bob")) as hub:
        hub.faults.append((lost, (None, None, None), True))
        project(orch, {"issues": github(hub)})
        orch.start()
        work(orch, warn=[BAD_LASER])
        night(orch)
        settled(orch, 1)
        night(orch)
        settled(orch, 2)
        work(orch)
        night(orch)
        settled(orch, 3)
        assert not hub.faults and len(hub.issues) == 1
        assert hub.issues[0]["state"] == "closed" and len(hub.issues[0]["comments"]) == 2


def test_github_limits_and_refusals(orch):
    with GitHub("obs/nights", CANARY, users=("cy",)) as hub:
        limited = (403, {"message": "rate limit"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"})
        hub.faults.append((("GET", ISSUES), limited, False))
        hub.faults.append((("GET", ISSUES), (502, {}, {}), False))
        for i in range(60):  # ours is beyond the first page
            hub.open_by_hand(f"other {i}", BAD_LASER[0])
        project(orch, {"issues": github(hub)})
        orch.start()
        work(orch, warn=[BAD_LASER])
        night(orch)
        settled(orch, 1)
        assert not hub.faults
        # The assignees of uao are unknown there: the issue is opened without.
        assert len(hub.issues) == 61 and hub.issues[60]["assignees"] == []
        hub.issues.insert(0, hub.issues.pop())  # listed last
        for i, issue in enumerate(hub.issues):
            issue["number"] = i + 1
        night(orch)
        settled(orch, 2)
        assert len(hub.issues) == 61 and len(hub.issues[0]["comments"]) == 1


def test_github_finds_its_issue_without_the_label(orch):
    """Of a token that may not push the labels are dropped, and people take labels away."""
    with GitHub("obs/nights", CANARY, users=("ann", "bob"), pushes=False) as hub:
        for i in range(60):  # so that ours is beyond the first page of all
            hub.open_by_hand(f"other {i}", "other")
        project(orch, {"issues": github(hub)})
        orch.start()
        work(orch, warn=[BAD_LASER])
        night(orch)
        settled(orch, 1)
        ours = hub.issues.pop()
        assert ours["labels"] == []
        hub.issues.insert(0, ours)  # the newest is listed first
        for i, issue in enumerate(hub.issues):
            issue["number"] = i + 1
        night(orch)
        settled(orch, 2)
        work(orch)
        night(orch)
        settled(orch, 3)
        assert len(hub.issues) == 61 and len(ours["comments"]) == 2 and ours["state"] == "closed"


@pytest.mark.parametrize("answer", [
    (403, {"message": "You have exceeded a secondary rate limit. Please wait."}, {}),
    (403, {"message": "limit"}, {"Retry-After": "90"}),
    (429, {"message": "limit"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}),
    (503, {"message": "maintenance"}, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),
])
def test_github_waits_as_long_as_it_is_told(orch, answer):
    """The second event asks nothing meanwhile; with a clock that has gone on both come through, in order."""
    with GitHub("obs/nights", CANARY, users=("ann", "bob", "cy")) as hub:
        hub.faults.append((("GET", ISSUES), answer, False))
        project(orch, {"issues": github(hub).replace("retry_max_delay: 100ms", "retry_max_delay: 5m")})
        orch.start()
        work(orch, warn=[BAD_LASER])
        night(orch)
        row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 0), None), "it was tried")
        assert row["error"]["class"] == "transient" and answer[1]["message"][:20] in row["error"]["text"]
        night(orch, site="mto")
        assert orch.ctl("status")["outbox"]["pending"] == 2
        assert orch.stop() == 0
        assert len(hub.requests) == 1
        orch.start(env={"ORCH_CLOCK_OFFSET_MS": "360000"})
        settled(orch, 2)
        assert ["uao" in i["title"] for i in hub.issues] == [True, False]


def test_github_wrong_token_is_visible_and_harmless(orch):
    with GitHub("obs/nights", "another", users=()) as hub:
        project(orch, {"issues": github(hub)})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 1), None), "it was tried twice")
        assert row["state"] == "pending" and "Bad credentials" in row["error"]["text"]
        work(orch)
        night(orch)
        assert orch.stop() == 0
        no_secret_anywhere(orch)


@pytest.mark.parametrize("status,message,hint", [
    (301, "Moved Permanently", "another name now"), (403, "Resource not accessible by personal access token", "read and write issues"),
    (404, "Not Found", "may the token see it"), (410, "Issues are disabled for this repo", "switched on")])
def test_github_refusals_say_what_to_do(orch, status, message, hint):
    with GitHub("obs/nights", CANARY, users=("ann", "bob")) as hub:
        hub.faults.append((("GET", ISSUES), (status, {"message": message}, {"Location": "https://elsewhere.example/"}), False))
        project(orch, {"issues": github(hub).replace("retry_delay: 20ms, retry_max_delay: 100ms", "retry_delay: 10m")})
        orch.start()
        work(orch, warn=[BAD_LASER])
        night(orch)
        row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 0), None), "it was tried")
        assert row["error"]["class"] == "permanent"
        assert f"obs/nights: listing issues: status {status}: {message}; " in row["error"]["text"] and hint in row["error"]["text"]
