"""Screenshots of every page of a running queue, light, dark and on a phone, into ``var/screenshots``:

``python docs/screenshots.py [URL] [NAME PASSWORD]``. Look at them; the best are copied to ``docs/screenshots``. Needs
the development requirements, a Chromium (``CHROMIUM`` names its program), and fonts for every script that names are
written in: Debian's ``fonts-noto-cjk`` and ``fonts-noto-color-emoji``.
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent.parent / "var" / "screenshots"
PAGES = {
    "dashboard": "/?group=waiting", "review": "first/", "diff": "first/diff/",
    "search": "/search/?state=pending", "person": "/people/marta-k/",
    "stats": "/stats/", "about": "/about/", "login": "/login/", "admin": "/admin/", "health": "/admin/health/",
    "admin-runs": "/admin/testing/testrun/", "token": "/me/token/", "api-docs": "/api/docs/",
}  # fmt: skip
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}, "device_scale_factor": 2},
}


def main(root: str = "http://127.0.0.1:8000", name: str = "", password: str = "") -> None:
    """One picture per page and look; pages that an account is needed for only when one is given."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        arguments = [] if os.geteuid() else ["--no-sandbox"]  # chromium refuses root without
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        for look, options in LOOKS.items():
            page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
            if name:
                page.goto(root + "/login/")
                page.fill("input[name=username]", name)
                page.fill("input[name=password]", password)
                page.press("input[name=password]", "Enter")
                page.wait_for_url("**/")
            for title, path in PAGES.items():
                if path.startswith("/admin") and not name:
                    continue
                if path.startswith("first"):  # a merge proposal whose tests failed has the most to show
                    page.goto(root + "/search/?kind=mp&state=open&outcome=fail")
                    first = page.locator("tr a.title").first.get_attribute("href")
                    path = path.replace("first", str(first).rstrip("/"), 1)
                answer = page.goto(root + path)
                if answer is None or answer.status != 200:
                    print(f"{path}: {answer and answer.status}", file=sys.stderr)  # noqa: T201
                    continue
                page.screenshot(path=FOLDER / f"{title}-{look}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
