"""The vendored browser files: which may be served, and under which address."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

ASSETS_FOLDER = Path(__file__).with_name("assets")


@dataclass(frozen=True)
class VendoredAssets:
    """The files named in the manifest, and a fingerprint that changes whenever one of them does."""

    fingerprint: str
    files: frozenset[str]

    def find(self, file: str, *, fingerprint: str) -> Path | None:
        if fingerprint != self.fingerprint or file not in self.files:
            return None
        return ASSETS_FOLDER / file


def read_vendored_assets() -> VendoredAssets:
    # The manifest holds the hash of every file, so its own hash stands for all of them.
    manifest = (ASSETS_FOLDER / "manifest.toml").read_bytes()
    packages = tomllib.loads(manifest.decode())["packages"]
    files = frozenset(f"{package['name']}/{file}" for package in packages for file in package["files"])
    return VendoredAssets(fingerprint=hashlib.sha256(manifest).hexdigest()[:16], files=files)
