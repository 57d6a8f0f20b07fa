"""How the page looks and is heard: every screen in Chromium, at a desk and on a phone, in the light and in the dark."""

import json
import pathlib
import re
import shutil
import signal
import tempfile

import pytest

from browser import Browser, missing
from orch import SENSOR, SRC, wait_until
from page import daemon_that_knows_everything

STYLE = (SRC / "src" / "web" / "static" / "style.css").read_text()
needs_browser = pytest.mark.skipif(bool(missing()), reason=f"not installed: {' '.join(missing())}")


@pytest.fixture(scope="module")
def orch():
    root = pathlib.Path(tempfile.mkdtemp(prefix="orchd-test-look-"))
    with daemon_that_knows_everything(root) as known:
        yield known
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def browser():
    one = Browser()
    yield one
    one.close()


def screens(orch):
    run = orch.done["id"]
    return ("", "nights", "runs", "runs?state=failed", f"runs/{run}", f"runs/{orch.failed}", "queue", "assets", "assets/analyze", "sensors",
            f"sensors/{SENSOR}", f"sensors/{SENSOR}?verdict=pending", "schedules", "deletions", "outbox", f"partition/{orch.done['partition']}",
            "partition/raw/fpi05_uao_20260408.txt", "audit", "nothing/here")


# ---- colours

def schemes():
    """{"light": {name: "#rrggbb"}, "dark": ...} of the style sheet."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
    read = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", text)) for text in (light, dark)]
    assert set(read[0]) == set(read[1]), "both schemes have the same colours"
    return {"light": read[0], "dark": read[1]}


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    a, b = sorted((luminance(one), luminance(other)), reverse=True)
    return (a + 0.05) / (b + 0.05)


def test_contrast():
    """WCAG AA for text, 4.5 to 1, wherever the style sheet puts one colour on another."""
    tones = ("good", "warn", "bad", "live", "off")
    pairs = [(ink, ground) for ink in ("text", "dim", "accent", *tones) for ground in ("back", "face")]
    pairs += [(tone, f"{tone}-back") for tone in tones] + [("text", f"{tone}-back") for tone in tones]
    pairs += [("text", "soft"), ("back", "accent")]
    for scheme, colours in schemes().items():
        for ink, ground in pairs:
            ratio = contrast(colours[ink], colours[ground])
            assert ratio >= 4.5, f"{scheme}: --{ink} on --{ground} is {ratio:.2f} to 1"


def test_style_has_no_other_colours():
    used = set(re.findall(r"#[0-9a-f]{3,8}\b", re.sub(r":root \{.*?\}", "", STYLE, flags=re.S)))
    assert used <= {"#fff"}, f"colours outside of :root are not in the contrast test: {used}"  # paper, and ground of pictures
    assert "prefers-reduced-motion" in STYLE and "prefers-color-scheme: dark" in STYLE and ":focus-visible" in STYLE


# ---- every screen

LANDMARKS = """(() => {
    const all = (s) => Array.from(document.querySelectorAll(s)), bad = [];
    if (all('main').length !== 1 || all('h1').length !== 1 || all('nav[aria-label]').length !== 1) bad.push('landmarks');
    if (!document.documentElement.lang || !document.title) bad.push('language or title');
    all('table').forEach(t => { if (!t.caption || !t.caption.textContent) bad.push('a table without a caption'); });
    all('thead th').forEach(h => { if (h.scope !== 'col') bad.push('a heading without its scope: ' + h.textContent); });
    all('img').forEach(i => { if (!i.alt) bad.push('a picture without words: ' + i.src); });
    all('svg').forEach(s => { if (!s.getAttribute('aria-label')) bad.push('a drawing without a label'); });
    all('a').forEach(a => { if (!(a.textContent.trim() || a.querySelector('img[alt]'))) bad.push('a link without words: ' + a.href); });
    all('input, select').forEach(i => { if (!i.labels.length) bad.push('a field without a label: ' + i.name); });
    all('progress, meter').forEach(p => { if (!p.getAttribute('aria-label')) bad.push('a bar without a label'); });
    all('.st').forEach(s => { if (!s.textContent.replace(/[^a-z]/g, '')) bad.push('a state without a word'); });
    let level = 1;
    all('h1, h2, h3').forEach(h => { const n = +h.tagName[1]; if (n > level + 1) bad.push('a heading skips a level: ' + h.textContent); level = n; });
    return bad;
})()"""


# What is wider than its place and must be pushed aside to be read; nights and graphs may be as wide as they are.
CUT_OFF = """Array.from(document.querySelectorAll('.scroll')).filter(s => s.scrollWidth > s.clientWidth && !s.querySelector('.matrix, .graph'))
    .map(s => s.querySelector('caption').textContent)"""


@needs_browser
@pytest.mark.parametrize("scheme", ("light", "dark"))
@pytest.mark.parametrize("width", (1280, 800, 390))
def test_every_screen(orch, browser, width, scheme):
    browser.look(width, scheme)
    ground = schemes()[scheme]["back"]
    wanted = f"rgb({', '.join(str(int(ground[i:i + 2], 16)) for i in (1, 3, 5))})"
    for path in screens(orch):
        browser.open(orch.page.url + path)
        assert browser.js("getComputedStyle(document.body).backgroundColor") == wanted, f"/{path} is not {scheme}"
        assert browser.js("document.documentElement.scrollWidth") <= width, f"/{path} is wider than {width} pixels"
        assert browser.js(CUT_OFF) == [], f"/{path}: does not fit in {width} pixels"
        assert browser.js(LANDMARKS) == [], f"/{path}"
        assert [s for s in browser.said if path != "nothing/here" or "404" not in s] == [], f"/{path}: the browser complains"


@needs_browser
def test_pictures_are_one_click_from_the_first_page(orch, browser):
    browser.look(1280)
    browser.open(orch.page.url + "nights?until=20260407")
    cell = f"/partition/{orch.done['partition']}"
    browser.js(f"document.querySelector('a[href=\"{cell}\"]').click()")
    browser.until("location.pathname.startsWith('/partition/') && document.querySelectorAll('.pictures img').length", "the partition has pictures")
    first = browser.until("(() => { const i = document.querySelector('.pictures img'); return i.complete && i.naturalWidth && i.src; })()",
                          "the first picture has come")
    assert first.endswith("_winds.png")


# ---- numbers, live and without script

@needs_browser
def test_numbers_without_script(orch, browser):
    """What the page says is what orchctl says, also to a reader that runs no script."""
    browser.look(1280, script=False)
    browser.open(orch.page.url)
    document = browser.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]
    html = browser.ask("DOM.getOuterHTML", nodeId=document)["outerHTML"]
    status, nights = orch.ctl("status"), orch.page.json("/api/v1/nights?days=10")
    figures = {name.strip(): int(n) for n, name in re.findall(r'class="figure"[^>]*><b[^>]*>(\d+)</b>([^<]*)<', html)}
    assert figures == {"running": status["runs"]["running"], "queued": status["runs"]["queued"], "failed in the last day": status["failed_last_day"],
                       "on hold": len(status["holds"]), "notifications waiting": status["outbox"]["pending"]}
    assert figures["failed in the last day"] == 1 and figures["on hold"] == 1 and figures["notifications waiting"] == 1
    rows = re.search(r'class="sources.*?</table>', html, re.S).group(0)
    for row in nights["rows"]:
        assert f'<th scope="row">{row["name"]}</th><td><span class="st ' in rows
        assert f"</b> {row['standing']}</span>" in rows
    for one in nights["stuck"]:
        assert one["text"] is None or one["text"] in html
    outbox = orch.ctl("outbox", "list")
    browser.open(orch.page.url + "outbox")
    document = browser.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]
    html = browser.ask("DOM.getOuterHTML", nodeId=document)["outerHTML"]
    assert outbox["rows"] and all(f'">{r["subject"]}</a>' in html for r in outbox["rows"])
    assert {k: v for k, v in orch.page.json("/api/v1/outbox").items()} == outbox


@needs_browser
def test_live(orch, browser):
    """Server-sent events change a page that is open: progress, then the end; nothing is loaded again by hand."""
    browser.look(1280)
    (orch.root / "slow.sh").write_text(
        'while [ ! -e "$1" ]; do\n'
        "  echo '" + json.dumps({"__dagster_pipes_version": "0.1", "method": "report_custom_message",
                                 "params": {"payload": {"progress": {"what": "frames", "done": 3, "total": 7}}}}) + "' >>\"$ORCH_JOURNAL\"\n"
        "  sleep 0.1\ndone\n")
    (orch.root / "jobs" / "slow.yaml").write_text(
        f"assets:\n  slow: {{type: exec, command: [sh, '{orch.root}/slow.sh', '{orch.root}/go']}}\n"
        "jobs:\n  slow_job: {assets: [slow], partition: 'slow/{observation_date}'}\n")
    orch.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "slow" in [a["name"] for a in orch.ctl("assets", "list")["assets"]], "the new job is known")
    browser.open(orch.page.url + "queue")
    browser.until("document.getElementById('live').textContent === 'live'", "the page follows the daemon")
    browser.js("window.same = true; 1")
    run = orch.ctl("launch", "slow_job", "--detach", "-s", "observation_date=20260410")["run"]
    bar = f"document.querySelector('[data-progress=\"{run}/slow\"] progress')"
    browser.until(f"{bar} && {bar}.value === 3 && {bar}.max === 7", "the bar of the step stands at 3 of 7")
    assert "frames 3 of 7" in browser.js(f"document.querySelector('[data-progress=\"{run}/slow\"]').textContent")
    (orch.root / "go").touch()
    orch.wait_run(run)
    browser.until(f"!{bar} && document.querySelector('main').textContent.includes('Nothing runs.')", "the queue is empty again")
    assert browser.js("window.same") is True, "the page was not loaded again"


@needs_browser
def test_keyboard(orch, browser):
    browser.look(1280)
    browser.open(orch.page.url)
    browser.press("Tab")
    assert browser.js("document.activeElement.className") == "skip"
    box = browser.js("(() => { const r = document.activeElement.getBoundingClientRect(); return [r.left, r.top]; })()")
    assert min(box) >= 0, "the skip link is seen when it has the focus"
    for _ in range(3):
        browser.press("Tab")
        assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    assert browser.js("document.querySelector(document.querySelector('.skip').hash).tagName") == "MAIN"


# ---- names from outside

def hostile_names():
    """Names that the fixtures of archives and listings bring, as far as they can be file names."""
    found = set()

    def walk(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("key", "path", "name") and isinstance(inner, str):
                    found.add(inner)
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    for path in ("archives/expected.json", "s3xml/cases.json"):
        walk(json.loads((SRC / "tests" / "data" / path).read_text()))
    found |= {"</script><script>document.title='gone'</script>", "\u202egnp.exe", "a&amp;b", "'\"><img src=x onerror=alert(1)>", "tab\tand\x1b[31m"}
    flat = {name.replace("/", "_") for name in found}
    return sorted(n for n in flat if n.strip(".") and "\0" not in n and len(n.encode()) < 200)


@needs_browser
def test_hostile_names_are_shown_literally(orch, browser):
    names = hostile_names()
    assert len(names) > 30
    for name in names:
        orch.put(f"raw/fpi_{name}", b"x")
    orch.ctl("sensors", "tick", SENSOR)
    known = orch.ctl("sensors", "keys", SENSOR)["keys"]
    browser.look(1280)
    browser.open(f"{orch.page.url}sensors/{SENSOR}?verdict=ignored")
    title = browser.js("document.title")
    shown = set(browser.js("Array.from(document.querySelectorAll('td code')).map(c => c.textContent)"))
    plain = {k["key"] for k in known if k["verdict"] == "ignored" and k["key"].isprintable()}
    assert plain and plain <= shown, f"not shown as they are: {sorted(plain - shown)[:5]}"
    assert not any(c in text for text in shown for c in "\u202a\u202b\u202d\u202e\u2066\u2067\x1b"), "reordering and control characters are told"
    assert browser.js("document.querySelectorAll('main script, main img, main iframe').length") == 0 and title == browser.js("document.title")
    assert browser.said == []
