"""A headless Chromium, for tests of pages."""

import contextlib
import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium():
    """Playwright's browser, run with the Chromium that is installed; without one the test is skipped.

    The gate installs one and sets KERAS_REID_NEEDS_BROWSER, with which the test fails instead.
    """
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        answer = pytest.fail if os.environ.get("KERAS_REID_NEEDS_BROWSER") else pytest.skip
        answer(f"pages are looked at in a browser, and none of {', '.join(NAMES)} is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, which many containers run as, Chromium starts only without its sandbox. It opens our own pages alone.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def foreign_requests(page):
    """A list to which every request of the page to another place than this machine's is added."""
    found = []

    def note(request):
        if not request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:")):
            found.append(request.url)

    page.on("request", note)
    return found
