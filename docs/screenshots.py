"""Make the screenshots of the documentation from a running queue: ``python docs/screenshots.py [URL] [NAME PASSWORD]``.

Needs the development requirements and a Chromium (``CHROMIUM`` names its program).
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "screenshots"
PAGES = {
    "dashboard": "/", "review": "first", "search": "/search/?state=pending", "person": "/people/marta-k/",
    "stats": "/stats/", "about": "/about/", "login": "/login/", "admin": "/admin/", "health": "/admin/health/",
    "admin-runs": "/admin/testing/testrun/",
}  # fmt: skip
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}, "device_scale_factor": 2},
}


def main(root: str = "http://127.0.0.1:8000", name: str = "", password: str = "") -> None:
    """One picture per page and look; pages that an account is needed for only when one is given."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
        for look, options in LOOKS.items():
            page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
            if name:
                page.goto(root + "/login/")
                page.fill("input[name=username]", name)
                page.fill("input[name=password]", password)
                page.click("main button[type=submit]")
            for title, path in PAGES.items():
                if path.startswith("/admin") and not name:
                    continue
                if path == "first":
                    page.goto(root + "/")
                    path = page.locator("main a[href^='/reviews/']").first.get_attribute("href") or "/"
                answer = page.goto(root + path)
                if answer is None or answer.status != 200:
                    print(f"{path}: {answer and answer.status}", file=sys.stderr)  # noqa: T201
                    continue
                page.screenshot(path=FOLDER / f"{title}-{look}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
