"""Results of a benchmark, made up."""

from performance.bench.results import Report, Result


def result(name: str, *, ratio: float, is_ours: bool = True) -> Result:
    return Result(
        name=name,
        tables=("A table",),
        is_ours=is_ours,
        microseconds=100 * ratio,
        spread=0,
        ratio=ratio,
        samples=[ratio],
    )


def report(*results: Result) -> Report:
    return Report(machine="a machine", results=list(results), missing=[])
