"""Refuses answers that can't become a working service, before any file is written."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata

SLUG = re.compile(r"(?!.*--)[a-z][a-z0-9-]{1,38}[a-z0-9]")
EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
YEAR = re.compile(r"[0-9]{4}")
TEMPLATE_CODE = re.compile(r"\{[#%{]")
# Control characters, lone surrogates, line and paragraph separators: no TOML, YAML or JSON file holds them safely.
UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# What a used service keeps in its folder, and what generating over it would throw away.
LOCAL_DATA = (".run", ".env")


def main() -> int:
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    folder = os.getcwd()
    problems = [*find_problems(answers), *find_local_data(folder)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("Nothing was generated. Please run the command again.", file=sys.stderr)
        remove_nested_folders(folder, output=answers["_output_dir"])
    return 1 if problems else 0


def find_problems(answers: dict[str, str]) -> list[str]:
    """Return one sentence for each bad answer, in the order of the questions."""
    checked = [
        check_text("project name", answers["project_name"], limit=80, example="My Service"),
        check_slug(answers["project_slug"]),
        check_text("description", answers["description"], limit=300, example="Takes orders for bicycles."),
        check_text("owner name", answers["owner_name"], limit=80, example="Example Team"),
        check_email(answers["owner_email"]),
        check_year(answers["copyright_year"]),
    ]
    return [problem for problem in checked if problem]


def check_text(question: str, answer: str, *, limit: int, example: str) -> str:
    """Return what is wrong with a line of free text, or nothing."""
    instead = f'write one line of plain text such as "{example}".'
    if not answer.strip():
        return f"The {question} is empty: {instead}"
    if any(unicodedata.category(character) in UNSAFE_CATEGORIES for character in answer):
        return f"The {question} holds a line break or a control character: {instead}"
    if answer != answer.strip():
        return f"The {question} begins or ends with a space: {instead}"
    if TEMPLATE_CODE.search(answer):
        return f"The {question} holds a brace followed by another brace, % or #, which means template code: {instead}"
    if len(answer) > limit:
        return f"The {question} has {len(answer)} characters, and {limit} is the limit: write a shorter one."
    return ""


def check_slug(slug: str) -> str:
    """Return what is wrong with a project slug (it must be a DNS label), or nothing."""
    if SLUG.fullmatch(slug):
        return ""
    return (
        f"The project slug {slug!r} can't name a folder, an image and a host: write 3 to 40 lower-case letters, digits "
        f'and single dashes, a letter first and no dash last, such as "{suggest_slug(slug)}".'
    )


def suggest_slug(slug: str) -> str:
    """Return the nearest good slug, or a general one if nothing is left."""
    nearest = re.sub(r"[^a-z0-9]+", "-", slug.lower()).lstrip("-0123456789")[:40].rstrip("-")
    return nearest if SLUG.fullmatch(nearest) else "my-service"


def check_email(address: str) -> str:
    """Return what is wrong with an e-mail address, or nothing."""
    if EMAIL.fullmatch(address):
        return ""
    return f"The owner's e-mail {address!r} isn't an address: write one such as \"team@example.com\"."


def check_year(year: str) -> str:
    """Return what is wrong with the copyright year, or nothing."""
    if YEAR.fullmatch(year):
        return ""
    return f'The copyright year {year!r} isn\'t a year: write four digits such as "2026".'


def find_local_data(folder: str) -> list[str]:
    """Return a sentence if somebody's service already lives in the folder to generate into."""
    if not any(os.path.exists(os.path.join(folder, name)) for name in LOCAL_DATA):
        return []
    return [f"{folder} holds a service that has been used: generate into a new folder, so that no data is lost."]


def remove_nested_folders(folder: str, *, output: str) -> None:
    """Remove the empty folders made for a slug such as a/b, of which cookiecutter would remove only the last.

    Cookiecutter then finds nothing to remove and fails with its own traceback, after our sentences.
    """
    output = os.path.realpath(output)
    if not _is_within(os.path.dirname(folder), output):
        return
    try:
        os.chdir(output)
        while _is_within(folder, output):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
    except OSError:
        # Not empty, so not ours; or Windows, where the folder is in use until this hook has ended.
        return


def _is_within(path: str, folder: str) -> bool:
    return path != folder and path.startswith(os.path.join(folder, ""))


if __name__ == "__main__":
    sys.exit(main())
