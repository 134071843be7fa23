"""What set-up installed stays what it is."""

import sys
import sysconfig
from pathlib import Path

from tests.end_to_end.checkout import Checkout


def test_uv_run_changes_no_version_and_leaves_no_lock_file(checkout: Checkout) -> None:
    before = installed()

    ran = checkout.run(str(Path(sys.executable).with_name("uv")), "run", "app", "--help", UV_OFFLINE="1")

    assert ran.returncode == 0, ran.stderr
    assert "serve" in ran.stdout
    assert installed() == before
    assert not (checkout.folder / "uv.lock").exists()


def installed() -> set[str]:
    return {folder.name for folder in Path(sysconfig.get_path("purelib")).glob("*.dist-info")}
