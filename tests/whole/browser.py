"""Chromium as a reader of the page, driven over its own protocol: any width, either colour scheme, with or without script."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request

from orch import DEADLINE, Failed, wait_until

try:
    import websocket
except ImportError:
    websocket = None

CHROMIUM = shutil.which("chromium")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
           "--remote-debugging-port=0", "--remote-allow-origins=*")


def missing():
    return [name for name, there in (("chromium", CHROMIUM), ("python3-websocket", websocket)) if not there]


class Browser:
    def __init__(self):
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="orchd-browser-"))
        self.process = subprocess.Popen([CHROMIUM, *OPTIONS, f"--user-data-dir={self.profile}", "about:blank"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})
        self.said, self.loaded, self.n = [], False, 0
        try:
            port = wait_until(self._port, "chromium listens")
            tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=DEADLINE))
            self.socket = websocket.create_connection(next(t for t in tabs if t["type"] == "page")["webSocketDebuggerUrl"], timeout=DEADLINE)
        except BaseException:
            self.process.kill()
            raise
        for domain in ("Page", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def _port(self):
        try:
            return (self.profile / "DevToolsActivePort").read_text().split("\n")[0]
        except OSError:
            return None

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(DEADLINE)
        shutil.rmtree(self.profile, ignore_errors=True)

    def ask(self, method, **params):
        self.n += 1
        self.socket.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.n:
                if "error" in message:
                    raise Failed(f"chromium: {method}: {message['error']}")
                return message["result"]
            if message.get("method") == "Page.loadEventFired":
                self.loaded = True
            elif message.get("method") == "Log.entryAdded":
                self.said.append(message["params"]["entry"]["text"])
            elif message.get("method") == "Runtime.exceptionThrown":
                self.said.append(str(message["params"]["exceptionDetails"]))

    def js(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def look(self, width=1280, scheme="light", script=True):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, url):
        self.said, self.loaded = [], False
        self.ask("Page.navigate", url=url)

        def done():
            self.js("1")
            return self.loaded
        wait_until(done, f"chromium has loaded {url}")

    def until(self, expression, what):
        def answer():
            try:
                return self.js(expression)
            except Failed as e:  # a page that is being left has none
                if "navigated" not in str(e):
                    raise
                return None
        return wait_until(answer, what, pause=0.05)

    def press(self, key):
        for kind in ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[key])

    def picture(self, path, most=None):
        """The page from its top, at most so many pixels of it."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        height = min(size["height"], most or size["height"])
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                        clip={"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1})
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))
