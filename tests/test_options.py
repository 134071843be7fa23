"""A declined option leaves no trace, and a chosen one no tag."""

from __future__ import annotations

import json
import re

from development.bake import ROOT, SERVICE
from tests.conftest import Bake
from tests.support.answers import WITHOUT_EXAMPLE
from tests.support.text_files import text_files

MANIFEST = json.loads((ROOT / SERVICE / ".prodready-options.json").read_text(encoding="utf-8"))

# The example's nouns as code and documents write them; "in order to" and "random order" are plain English.
EXAMPLE = re.compile(r"\borders\b|\bOrders?[A-Z]\w*|\w+_orders?\b|\border_(?!by\b)\w+|\bOrder\b")


def test_the_paths_of_a_declined_option_are_gone(baked: Bake) -> None:
    chosen, declined = baked({}), baked(WITHOUT_EXAMPLE)

    paths = MANIFEST["example"]["paths"]
    assert [path for path in paths if not (chosen / path).exists()] == []
    assert [path for path in paths if (declined / path).exists()] == []


def test_nothing_else_is_gone(baked: Bake) -> None:
    chosen, declined = baked({}), baked(WITHOUT_EXAMPLE)

    gone = {name for name, _ in text_files(chosen)} - {name for name, _ in text_files(declined)}
    assert [name for name in gone if not name.startswith(tuple(MANIFEST["example"]["paths"]))] == []


def test_nothing_mentions_a_declined_example(baked: Bake) -> None:
    service = baked(WITHOUT_EXAMPLE)

    mentions = [
        f"{name}: {line.strip()}"
        for name, text in text_files(service)
        if "/assets/" not in name
        for line in text.splitlines()
        if EXAMPLE.search(line)
    ]
    assert mentions == []
