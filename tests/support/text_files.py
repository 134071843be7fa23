"""Reading the text files of a folder, and what in them points elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

JINJA = ("{" + "{", "{" + "%", "{" + "#")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")


def read_text(path: Path) -> str | None:
    """Return the file's text with its line endings as they are, or None if it isn't text."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


def text_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the text of each text file below the folder."""
    for path in sorted(folder.rglob("*")):
        text = read_text(path) if path.is_file() else None
        if text is not None:
            yield path.relative_to(folder).as_posix(), text


def broken_links(document: Path, *, top: Path) -> list[str]:
    """Return the relative links of a Markdown file that lead nowhere, or out of the folder at the top."""
    prose = _CODE.sub("", _FENCED.sub("", document.read_text(encoding="utf-8")))
    targets = [unquote(link.partition("#")[0]) for link in _LINK.findall(prose) if ":" not in link]
    resolved = {target: (document.parent / target).resolve() for target in targets if target}
    return [
        f"{document.relative_to(top)}: {target}"
        for target, path in resolved.items()
        if not (path.exists() and path.is_relative_to(top.resolve()))
    ]
