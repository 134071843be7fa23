"""What is wrong with the configuration, all of it at once."""

from collections.abc import Sequence


class ConfigurationError(Exception):
    """The service must not start like this. `problems` are sentences that name the variable."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"The configuration has {len(problems)} problem(s); nothing was started:\n{listed}")
