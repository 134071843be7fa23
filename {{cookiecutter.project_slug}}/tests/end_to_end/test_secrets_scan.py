"""The scan for secrets finds a provider's key wherever it lies, and takes no made-up password or revision for one."""

import shutil
import subprocess
import sys

import pytest

from tests.end_to_end.checkout import PROJECT, Checkout

# In two parts, so that this file isn't what is found.
KEY_OF_A_PROVIDER = "AKIA" + "Z7QX2M9KD4TB6WVH"

# With such ids a guess by entropy was wrong about every second time.
REVISION_IDS = ["8f3a91c0d7e2", "b7d04e5f9a13", "4c1e9b7a2d60", "e5d8f0a7b3c9"]


def test_the_project_itself_holds_no_secret(checkout: Checkout) -> None:
    shutil.copytree(PROJECT / "tests", checkout.folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))

    scanned = scan(checkout)

    assert scanned.returncode == 0, scanned.stdout


@pytest.mark.parametrize("folder", ["src", "tests", "migrations"])
def test_a_key_of_a_provider_is_found(checkout: Checkout, folder: str) -> None:
    (checkout.folder / "tests").mkdir()
    (checkout.folder / folder / "planted.py").write_text(f'key = "{KEY_OF_A_PROVIDER}"\n')

    scanned = scan(checkout)

    assert scanned.returncode == 1
    assert f"{folder}/planted.py:1" in scanned.stdout
    assert "AWS" in scanned.stdout


def test_the_id_of_a_revision_is_no_secret(checkout: Checkout) -> None:
    (checkout.folder / "tests").mkdir()
    lines = [f'revision: str = "{revision}"\n' for revision in REVISION_IDS]
    (checkout.folder / "migrations" / "service" / "20260101_planted.py").write_text("".join(lines))

    scanned = scan(checkout)

    assert scanned.returncode == 0, scanned.stdout


def scan(checkout: Checkout) -> subprocess.CompletedProcess[str]:
    return checkout.run(sys.executable, "-m", "development.secrets_scan")
