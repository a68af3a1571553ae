"""
What people do on the page, and what they may not.
"""

from tests.functional.browser import SIGN_IN, Browser, PageTestCase

STATUS = """
return document.querySelector(`#jobs li[data-job="${arguments[0]}"][data-status="${arguments[1]}"]`) !== null;
"""
BUTTON = "return document.querySelector(`button[aria-label='${arguments[0]}']`) !== null;"
PRESS = "document.querySelector(`button[aria-label='${arguments[0]}']`).click();"
LOG = "return document.querySelector(`#jobs li[data-job='${arguments[0]}'] pre`)?.textContent;"

HOSTILE = """
const bad = '<script>window.hit = true;</script><img src=x onerror="window.hit = true">';
return import("/ui/view.js").then((view) => {
  const may = new Set(["power", "jobs"]), actions = { cancel() {}, log() {} };
  view.showInstances(new Map([[bad, { name: bad, status: bad, pnode: bad, snodes: [bad] }]]), () => {}, may);
  const job = { id: 900, status: "running", summary: [bad], lines: new Map([[1, bad]]),
    progress: { [bad]: { done: 1, total: 4, unit: bad } } };
  view.showJobs(new Map([[900, job]]), new Set([900]), actions, may);
  view.showLocks([{ name: bad, owner: [bad], pending: bad }]);
  const bar = document.querySelector("#jobs progress");
  const inside = document.querySelectorAll("#instances img, #instances script, #jobs img, #jobs script, #locks img");
  return [inside.length, bar.value, bar.max, document.querySelector("#jobs pre").textContent === bad];
});
"""


class ActionTests(PageTestCase):
    """
    Tests for buttons, logs and hostile text.
    """

    def delay(self, *after: int) -> int:
        """
        A job that goes on for longer than any test, after others.
        """
        op = {
            "OP_ID": "OP_TEST_DELAY", "duration": 60.0, "on_master": True, "on_nodes": [],
            "depends": [[each, ["success"]] for each in after],
        }  # fmt: skip
        status, job, _ = self.ask("POST", "/2/jobs", {"ops": [op]})
        self.assertEqual(status, 200, job)
        assert isinstance(job, int)
        return job

    def press(self, browser: Browser, button: str, answer: str) -> None:
        """
        Use a button, when it is there, and answer the question: C{yes} or C{no}.
        """
        browser.until(BUTTON, button)
        browser.run(PRESS, button)
        self.assertTrue(browser.run("return document.getElementById('confirm').open;"))
        # The harmless answer is the one that Enter gives.
        self.assertEqual(browser.run("return document.activeElement.value;"), "no")
        browser.run("document.querySelector(`#confirm button[value='${arguments[0]}']`).click();", answer)
        browser.until("return !document.getElementById('confirm').open;")

    def test_instance(self) -> None:
        """
        The log of a job that ended before the page was opened is shown when it is asked for; an instance is rebooted,
        stopped and started, and nothing happens where the question is answered with no.
        """
        job = self.create("web.example.com")
        self.assertEqual(self.ask("GET", f"/2/jobs/{job}/wait", {"fields": ["status"]})[0], 200)
        while self.ask("GET", f"/2/jobs/{job}")[1]["status"] != "success":
            pass
        browser = self.signed_in()
        browser.until(BUTTON, f"Log of job {job}")
        self.assertIsNone(browser.run(LOG, job))
        browser.run(PRESS, f"Log of job {job}")
        self.assertIn("* Starting instance web.example.com", browser.until(LOG, job))
        self.press(browser, "Stop web.example.com", "no")
        for name in ("Reboot", "Stop", "Start"):
            job += 1
            self.press(browser, f"{name} web.example.com", "yes")
            browser.until(STATUS, job, "success")
        browser.until(BUTTON, "Stop web.example.com")

    def test_cancel(self) -> None:
        """
        A job that waits is cancelled with its button; the one that runs has none, and goes on.
        """
        first = self.delay()
        second = self.delay(first)
        browser = self.signed_in()
        browser.until(STATUS, first, "running")
        self.press(browser, f"Cancel job {second}", "yes")
        browser.until(STATUS, second, "canceled")
        self.assertTrue(browser.run(STATUS, first, "running"))

    def test_reader(self) -> None:
        """
        Who may only read sees all, without buttons that would be refused.
        """
        self.create("web.example.com")
        with self.paths.rapi_users.open("a") as users:
            users.write("reader secret read\n")
        browser = self.browser()
        browser.run(SIGN_IN, "reader", "secret")
        browser.until("return document.getElementById('instances').textContent.includes('running');")
        self.assertEqual(browser.run("return document.querySelectorAll('#instances button').length;"), 0)

    def test_hostile(self) -> None:
        """
        Text that looks like markup is text, and progress is a bar.
        """
        browser = self.signed_in()
        self.assertEqual(browser.run(HOSTILE), [0, 1, 4, True])
        self.assertIsNone(browser.run("return window.hit ?? null;"))
