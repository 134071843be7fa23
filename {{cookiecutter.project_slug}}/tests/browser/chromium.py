"""Opens a page in a headless Chromium and reports what a person would see and what the console says."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS_APPLICATION = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
# The sandbox can't work for root or in most containers, and only pages of our own are opened.
HEADLESS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic")
CONSOLE_TO_STDERR = ("--enable-logging=stderr", "--v=0")
# Milliseconds of the page's own clock, which stands still while a request is under way: not a time of ours.
PATIENCE = "--virtual-time-budget=15000"


@dataclass(frozen=True)
class OpenedPage:
    """The document after its scripts ran, and every line that the browser's console received."""

    document: str
    console: list[str]


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, (*NAMES, MACOS_APPLICATION))), None)


def open_page(url: str, *, chromium: str, profile: Path) -> OpenedPage:
    options = [*HEADLESS, *QUIET, *CONSOLE_TO_STDERR, PATIENCE, f"--user-data-dir={profile}", "--dump-dom"]
    result = subprocess.run([chromium, *options, url], capture_output=True, text=True, timeout=50, check=True)
    # Policy violations, failed requests and uncaught errors all arrive as messages of the console.
    console = [line for line in result.stderr.splitlines() if ":CONSOLE:" in line]
    return OpenedPage(document=result.stdout, console=console)
