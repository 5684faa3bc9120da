"""Uses the page as a person does, in Chromium. tests/tests/lab/page.rs starts it inside the lab.

Usage: browser.py STORY URL TOKEN FOLDER

STORY is one of the functions below whose name begins with `story_`. URL is where the page is, TOKEN opens it, and
screenshots go into FOLDER. Printed is one JSON object: what the story saw, with `complaints` of the browser's
console, `violations` of the content security policy, and `axe`: what axe-core finds serious on each view.

A story that has something happen elsewhere says so on standard error and waits for a line on standard input.
"""

import json
import sys
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 60_000
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
HOST, HOSTILE = "10.66.2.2", "10.66.2.2"


class Visit:
    """A browser window, what it has seen, and what was wrong with it."""

    def __init__(self, browser: Browser, url: str, token: str, folder: Path, **more: Any) -> None:
        self.url, self.token, self.folder = url, token, folder
        self.context: BrowserContext = browser.new_context(viewport=DESK, **more)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.axe: dict[str, list[str]] = {}
        self.wide: list[str] = []
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('csp: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )

    def hear(self, message: Any) -> None:
        # What the story itself asks for and is refused, a browser counts as an error, too.
        if message.type == "error" and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def log_in(self) -> None:
        self.go("/ui/")
        self.page.fill("#token", self.token)
        self.page.click("button:has-text('Log in')")
        self.page.wait_for_selector("h1:has-text('Overview')")

    def over(self) -> None:
        self.page.wait_for_selector("button:has-text('Run again')")

    def look(self, name: str) -> None:
        """Takes pictures of a view on a desk and on a phone, light and dark, and has axe-core look at it."""
        for size, wide in (("desk", DESK), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                self.page.set_viewport_size(wide)
                self.page.emulate_media(color_scheme=scheme)
                path = self.folder / f"{name}-{size}-{scheme}.png"
                self.page.screenshot(path=path, full_page=True)
                found = Axe().run(self.page).response["violations"]
                serious = [f for f in found if f["impact"] in ("serious", "critical")]
                self.axe[f"{name} {size} {scheme}"] = [
                    f"{f['id']}: {node['target']}" for f in serious for node in f["nodes"]
                ]
            if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                self.wide.append(f"{name} {size}")
        self.page.set_viewport_size(DESK)
        self.page.emulate_media(color_scheme="light")

    def drawn(self) -> bool:
        """Whether the picture of this view has come and is one."""
        picture = self.page.locator("img.picture")
        if picture.count() == 0:
            return False
        picture.scroll_into_view_if_needed()
        return bool(picture.evaluate("(it) => it.decode().then(() => it.naturalWidth > 0)"))


def story_operator(visit: Visit) -> dict[str, Any]:
    """Logs in, is refused, makes the call that passes, watches it, compares, and logs out."""
    page = visit.page
    visit.go("/ui/runs?tool=ping")
    visit.look("login")
    page.fill("#token", visit.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Runs')")
    came_back_to = page.url
    visit.go("/ui/")
    page.keyboard.press("Tab")
    first_stop = page.evaluate("document.activeElement.textContent")
    page.click("a:has-text('Ping a host')")
    page.fill("#f-target", HOST)
    page.fill("#f-count", "4")
    page.fill("#f-interval", "0.5")
    page.wait_for_selector("#verdict .badge.good")
    command = page.inner_text("#verdict pre")
    page.fill("#f-count", "5000")
    page.wait_for_selector("#verdict .badge.bad")
    visit.look("refused")
    page.click("button:has-text('Run this instead')")
    page.wait_for_url("**/ui/runs/*")
    visit.go("/ui/tools/ping?target=" + HOST + "&count=4&interval=0.5")
    page.click("#call button:has-text('Run')")
    page.locator("#output", has_text="icmp_seq=2").wait_for()
    live = page.inner_text("#output")
    visit.over()
    summary = page.inner_text(".summary")
    drawn = visit.drawn()
    visit.look("ping")
    for _ in range(2):
        visit.go("/ui/tools/nmap?target=" + HOST + "&ports=1-1024")
        page.click("#call button:has-text('Run')")
        visit.over()
    visit.drawn()
    visit.look("nmap")
    page.click("text=Compare with the one before")
    changed = page.inner_text(".summary")
    visit.look("compare")
    visit.go("/ui/runs?tool=nmap")
    visit.look("runs")
    boxes = page.locator("#runs input[type=checkbox]")
    boxes.nth(0).check()
    one_is_enough = page.locator("#pick button").is_enabled()
    boxes.nth(1).check()
    page.click("#pick button")
    picked = page.inner_text(".summary")
    for name in ("", "grants", "approvals"):
        visit.go("/ui/" + name)
        visit.look(name or "overview")
    page.click("button:has-text('Log out')")
    page.wait_for_selector("#token")
    page.go_back()
    page.wait_for_selector("#token")
    return {
        "came_back_to": came_back_to, "first_stop": first_stop, "command": command, "live": live,
        "summary": summary, "drawn": drawn, "changed": changed, "picked": picked,
        "one_is_enough": one_is_enough,
    }


def story_plain(visit: Visit) -> dict[str, Any]:
    """The same without scripts: a call, its verdict, its run and what came of it."""
    page = visit.page
    visit.log_in()
    page.click("a:has-text('Ping a host')")
    page.fill("#f-target", HOST)
    page.fill("#f-count", "2")
    page.click("button:has-text('Ask the policy')")
    verdict = page.inner_text("#verdict")
    page.click("#call button:has-text('Run')")
    visit.over()
    return {"verdict": verdict, "summary": page.inner_text(".summary")}


def story_hostile(visit: Visit) -> dict[str, Any]:
    """A host whose banner is a script."""
    page = visit.page
    visit.log_in()
    visit.go("/ui/tools/http?target=" + HOSTILE + "&port=8081")
    page.click("#call button:has-text('Run')")
    visit.over()
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    shown = page.inner_text("main")
    return {"shown": shown, "ran": page.evaluate("window.canary ?? null")}


def story_watch(visit: Visit) -> dict[str, Any]:
    """A call that comes by itself, over time."""
    page = visit.page
    visit.log_in()
    page.click("a:has-text('Watches')")
    visit.look("watches")
    page.click("a:has-text('gateway')")
    # Its runs come in while one looks.
    page.locator("#runs li").nth(2).wait_for()
    page.reload()
    drawn = visit.drawn()
    visit.look("watch")
    return {"state": page.inner_text("#state"), "drawn": drawn}


def story_lost(visit: Visit) -> dict[str, Any]:
    """A server that ends under an open page, and another in its place."""
    page = visit.page
    visit.log_in()
    print("open", file=sys.stderr, flush=True)
    page.locator("#news:not([hidden])").wait_for()
    said = page.inner_text("#news")
    print("lost", file=sys.stderr, flush=True)
    sys.stdin.readline()
    page.wait_for_selector("#token")
    # Of the server that is gone a browser complains, too.
    visit.complaints = [said for said in visit.complaints if "net::ERR_CONNECTION" not in said]
    return {"said": said, "then": page.inner_text("main")}


def main() -> None:
    story, url, token, folder = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        visit = Visit(
            browser, url, token, Path(folder), java_script_enabled=story != "plain", locale="en-GB"
        )
        try:
            seen = globals()[f"story_{story}"](visit)
        except BaseException:
            visit.page.screenshot(path=Path(folder) / f"{story}-failed.png")
            raise
        seen |= {"complaints": visit.complaints, "axe": visit.axe, "wide": visit.wide}
        browser.close()
    print(json.dumps(seen))


main()
