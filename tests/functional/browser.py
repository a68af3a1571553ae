"""
A real browser, for tests of the page.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.functional.rapi_sandbox import TIMEOUT, RAPITestCase

DRIVER = shutil.which("chromedriver")
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
]


class Browser:
    """
    Chromium behind its driver.
    """

    def __init__(self) -> None:
        assert DRIVER is not None
        # Its profile and more, which it leaves where it finds room for them.
        self._room = tempfile.TemporaryDirectory(prefix="gnt-", ignore_cleanup_errors=True)
        environment = {**os.environ, "TMPDIR": self._room.name}
        self._driver = subprocess.Popen(
            [DRIVER, "--port=0"], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                self._port = int(line.rstrip(".\n").rpartition(" ")[2])
                break
        wanted = {"acceptInsecureCerts": True, "goog:chromeOptions": {"args": OPTIONS}}
        try:
            found = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except BaseException:
            self._end_driver()
            raise
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
        try:
            return self._call("POST", f"{self._session}/execute/async", body)
        except AssertionError as reason:
            shown = self.run("return document.body.innerText;")
            raise AssertionError(f"{reason}: {script} of {arguments}; the page shows: {shown}") from reason

    def until_at(self, url: str) -> None:
        """
        Wait until the page has gone there, if only to be told that it cannot be had.
        """
        deadline = time.monotonic() + TIMEOUT
        while (found := self._call("GET", f"{self._session}/url")) != url:
            # Each question is a round trip through the driver and the browser, which is pause enough.
            assert time.monotonic() < deadline, found

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
            self._end_driver()

    def _end_driver(self) -> None:
        self._driver.terminate()
        self._driver.wait(TIMEOUT)
        assert self._driver.stdout is not None
        self._driver.stdout.close()
        self._room.cleanup()


SIGN_IN = """
document.getElementById("user").value = arguments[0];
document.getElementById("password").value = arguments[1];
document.getElementById("sign-in").requestSubmit();
"""


class PageTestCase(RAPITestCase):
    """
    Tests of the page on a sandbox.
    """

    def browser(self) -> Browser:
        """
        A new one. Where Debian's driver is, it has to work; elsewhere there is nothing to test with.
        """
        if DRIVER is None:
            self.skipTest("needs Debian's chromium and chromium-driver")
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(f"https://{self.address}:5080/ui/")
        return browser

    def signed_in(self) -> Browser:
        """
        One that shows the cluster.
        """
        browser = self.browser()
        name, _, password = self.user.partition(":")
        browser.run(SIGN_IN, name, password)
        browser.until('return document.querySelector("#nodes tr") !== null;')
        return browser

    def keep_screenshot(self, browser: Browser, name: str) -> None:
        """
        Leave a picture where CI asks for what is to be kept.
        """
        if directory := os.environ.get("CI_ARTIFACTS"):
            (Path(directory) / f"{name}.png").write_bytes(b64decode(browser.screenshot()))

    def create(self, name: str, **changed: Any) -> int:
        """
        Have an instance made, as somebody else would.
        """
        body = {
            "__version__": 1, "mode": "create", "instance_name": name, "os_type": "noop",
            "disk_template": "diskless", "disks": [], "nics": [], "ip_check": False, "name_check": False,
            "pnode": self.paths.hostname, "ignore_ipolicy": True, **changed,
        }  # fmt: skip
        status, job, _ = self.ask("POST", "/2/instances", body)
        self.assertEqual(status, 200, job)
        assert isinstance(job, int)
        return job
