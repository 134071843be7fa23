"""A number that was measured, and whether it is good enough."""

from pydantic import BaseModel, ConfigDict, computed_field

HEADINGS = ["what", "measured", "target", "verdict"]


# From here on three digits would be written with an exponent.
TOO_LONG = 1000


class Verdict(BaseModel):
    """A number and its threshold: the most that is allowed, or with `is_floor` the least that is wanted."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # what was not measured is no number, and stays none

    what: str
    measured: float
    threshold: float
    unit: str = ""
    is_floor: bool = False

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def is_met(self) -> bool:
        """Not by what is no number: nothing was measured then."""
        return self.measured >= self.threshold if self.is_floor else self.measured <= self.threshold

    def named(self, what: str) -> "Verdict":
        """The same under another name."""
        return self.model_copy(update={"what": what})

    def with_leniency(self, times: float) -> "Verdict":
        """With so many times more time."""
        return self.model_copy(update={"threshold": self.threshold * times}) if self.unit == "ms" else self


def cells(verdict: Verdict) -> list[str]:
    """For a table with the columns of `HEADINGS`."""
    sign = "≥" if verdict.is_floor else "≤"
    number = f"{verdict.measured:.3g}" if verdict.measured < TOO_LONG else f"{verdict.measured:.0f}"
    measured, threshold = f"{number} {verdict.unit}", f"{sign} {verdict.threshold:g} {verdict.unit}"
    return [verdict.what, measured.strip(), threshold.strip(), "met" if verdict.is_met else "**missed**"]
