"""
The page, in a real browser.
"""

import json
import shutil
import signal
import subprocess
import time
from http.client import HTTPConnection
from typing import Any

from gnttwist.sandbox import processes
from gnttwist.sandbox.layout import read_state
from tests.functional.rapi_sandbox import TIMEOUT, RAPITestCase

DRIVER = shutil.which("chromedriver")
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
]
PAGE_LIMIT = 150_000


class Browser:
    """
    Chromium behind its driver.
    """

    def __init__(self) -> None:
        assert DRIVER is not None
        self._driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                self._port = int(line.rstrip(".\n").rpartition(" ")[2])
                break
        wanted = {"acceptInsecureCerts": True, "goog:chromeOptions": {"args": OPTIONS}}
        found = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{found['sessionId']}"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            found = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(found, dict) and "error" in found:
            raise AssertionError(found["message"])
        return found

    def open(self, url: str) -> None:
        """
        Go to a page.
        """
        self._call("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """
        What a function of this body returns in the page.
        """
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": arguments})

    def until(self, script: str, *arguments: Any) -> Any:
        """
        Ask in the page, which waits itself, until something is found.
        """
        waiting = (
            "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);"
            "const look = () => { const found = (function () {" + script + "}).apply(null, given);"
            "if (found) done(found); else setTimeout(look, 50); }; look();"
        )
        body = {"script": waiting, "args": arguments}
        return self._call("POST", f"{self._session}/execute/async", body)

    def screenshot(self) -> str:
        """
        What is seen, a PNG in base64.
        """
        return str(self._call("GET", f"{self._session}/screenshot"))

    def close(self) -> None:
        """
        End both.
        """
        try:
            self._call("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait(TIMEOUT)
            assert self._driver.stdout is not None
            self._driver.stdout.close()


SIGN_IN = """
document.getElementById("user").value = arguments[0];
document.getElementById("password").value = arguments[1];
document.getElementById("sign-in").requestSubmit();
"""

ENDED = """return document.querySelector(`#jobs li[data-job="${arguments[0]}"][data-status="success"]`) !== null;"""


class PageTests(RAPITestCase):
    """
    Tests for C{/ui/}.
    """

    def test_files(self) -> None:
        """
        The page needs no user, is small, may not run anything inline, and is not sent again to who has it.
        """
        total = 0
        for name in ("", "main.js", "view.js", "api.js", "style.css", "icon.svg"):
            connection = self.connected()
            self.addCleanup(connection.close)
            connection.request("GET", f"/ui/{name}")
            response = connection.getresponse()
            total += len(response.read())
            self.assertEqual(response.status, 200, name)
            self.assertIn(
                "default-src 'none'; script-src 'self'", response.headers["Content-Security-Policy"]
            )
            connection.request("GET", f"/ui/{name}", headers={"If-None-Match": response.headers["ETag"]})
            again = connection.getresponse()
            self.assertEqual((again.status, again.read()), (304, b""))
        self.assertLess(total, PAGE_LIMIT)

    def test_live(self) -> None:
        """
        A wrong password is told; a job submitted elsewhere appears and ends without a reload, also after gnt-rapi
        was killed and started again.
        """
        if DRIVER is None:
            self.skipTest("needs Debian's chromium and chromium-driver")
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(f"https://{self.address}:5080/ui/")
        name, _, password = self.user.partition(":")
        browser.run(SIGN_IN, name, "wrong")
        told = browser.until('return document.getElementById("sign-in-error").textContent;')
        self.assertEqual(told, "wrong user or password")
        browser.run(SIGN_IN, name, password)
        browser.until('return document.querySelector("#nodes tr") !== null;')
        browser.run("window.same = true;")
        browser.until(ENDED, self.job())
        self.power(browser)
        self.restart()
        browser.until(ENDED, self.job())
        self.assertTrue(browser.run("return window.same;"))

    def power(self, browser: Browser) -> None:
        """
        Stop an instance, made elsewhere, with the page's button, after confirming; its log was shown.
        """
        create = {
            "__version__": 1, "mode": "create", "instance_name": "web.example.com", "os_type": "noop",
            "disk_template": "diskless", "disks": [], "nics": [], "ip_check": False, "name_check": False,
            "pnode": self.paths.hostname, "ignore_ipolicy": True,
        }  # fmt: skip
        status, job, _ = self.ask("POST", "/2/instances", create)
        self.assertEqual(status, 200, job)
        browser.until(ENDED, job)
        log = browser.run(
            "return document.querySelector(`#jobs li[data-job='${arguments[0]}'] pre`).textContent;", job
        )
        self.assertIn("* Starting instance web.example.com", log)
        stop = "document.querySelector('button[aria-label=\"Stop web.example.com\"]')"
        browser.until(f"return {stop} !== null;")
        browser.run(f"{stop}.click();")
        self.assertEqual(
            browser.run("return document.getElementById('question').textContent;"),
            "Stop the instance web.example.com?",
        )
        browser.run("document.getElementById('yes').click();")
        browser.until(ENDED, job + 1)
        browser.until("return document.getElementById('instances').textContent.includes('ADMIN_down');")

    def job(self) -> int:
        """
        Submit a job, as somebody else would.
        """
        status, job, _ = self.ask("PUT", "/2/tags?tag=seen")
        self.assertEqual(status, 200, job)
        assert isinstance(job, int)
        return job

    def restart(self) -> None:
        """
        Kill gnt-rapi and start it again.
        """
        assert self.directory is not None
        sandbox = read_state(self.directory)
        [rapi] = [
            each for each in sandbox.daemons if each.daemon == "gnt-rapi" and each.node == sandbox.master.name
        ]
        processes.Process(rapi.pid, rapi.started).signal(signal.SIGKILL)
        _, child = processes.start("gnt-rapi", self.paths)
        self.addCleanup(child.wait, 30)
        self.addCleanup(child.terminate)
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                self.ask("GET", "/2/info")
            except ConnectionError:
                continue
            return
        self.fail("gnt-rapi did not come back")
