"""
The page, in a real browser.
"""

import signal
import time

from gnttwist.sandbox import processes
from gnttwist.sandbox.layout import read_state
from tests.functional.browser import SIGN_IN, Browser, PageTestCase
from tests.functional.rapi_sandbox import TIMEOUT

PAGE_LIMIT = 150_000

ENDED = """return document.querySelector(`#jobs li[data-job="${arguments[0]}"][data-status="success"]`) !== null;"""


class PageTests(PageTestCase):
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
        browser = self.browser()
        name, _, password = self.user.partition(":")
        browser.run(SIGN_IN, name, "wrong")
        told = browser.until('return document.getElementById("sign-in-error").textContent;')
        self.assertEqual(told, "wrong user or password")
        browser.run(SIGN_IN, name, password)
        browser.until('return document.querySelector("#nodes tr") !== null;')
        browser.run("window.same = true;")
        browser.until(ENDED, self.job())
        self.power(browser)
        self.keep_screenshot(browser, "ui")
        self.restart()
        browser.until(ENDED, self.job())
        self.assertTrue(browser.run("return window.same;"))

    def power(self, browser: Browser) -> None:
        """
        Stop an instance, made elsewhere, with the page's button, after confirming; its log was shown.
        """
        job = self.create("web.example.com")
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
