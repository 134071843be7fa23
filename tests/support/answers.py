"""The sets of answers that tests generate services with."""

from __future__ import annotations

import itertools

from development.bake import Answers

LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause", "Proprietary")

# Every character that TOML, YAML, JSON, Compose, Markdown, HTML or a shell could take for its own.
NASTY_NAME = r"""O'Brien "café" <b> $HOME \\"""
NASTY: Answers = {
    "project_name": NASTY_NAME,
    "project_slug": "nasty-name",
    "description": r"""It's 100% "safe": # & ${HOME} | `ls` *_[x](y)_* \n <!-- 🚀 -->""",
    "owner_name": r"""Ødegård & 'Söhne' \ "Co" 🚲""",
    "owner_email": "o'brien@example.com",
}

WITHOUT_EXAMPLE: Answers = {"project_slug": "without-example", "include_example": False}


def every_combination() -> list[Answers]:
    """Return each licence with and without the example, and the nasty name with both."""
    plain: list[Answers] = [
        {"license": licence, "include_example": example}
        for licence, example in itertools.product(LICENCES, (True, False))
    ]
    return [*plain, NASTY, {**NASTY, "include_example": False}]


def label(answers: Answers) -> str:
    """Return a short name for a set of answers, for test reports."""
    name = "nasty" if "project_name" in answers else str(answers.get("license", "default"))
    return name if answers.get("include_example", True) else f"{name}-without-example"
