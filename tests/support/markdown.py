"""What a reader sees of a Markdown text."""

from __future__ import annotations

import html

from markdown_it import MarkdownIt


def as_text(markdown: str) -> str:
    """Return the text of one rendered paragraph; any markup that took effect shows as tags."""
    rendered = MarkdownIt("commonmark").enable(["strikethrough", "table"]).render(markdown)
    return html.unescape(rendered.strip().removeprefix("<p>").removesuffix("</p>"))
