"""The real command line, with a worker that charges again and again: soon, and until it knows what became of it.

`python -m tests.features.orders.impatient worker`, or `serve`.
"""

from dataclasses import replace

from app import cli
from app.features.orders import payments
from app.features.orders.jobs import ConfirmOrder
from app.jobs import attempt
from app.resilience.backoff import Backoff
from tests.support.switched_off import switch_off_what_is_asked

if __name__ == "__main__":
    switch_off_what_is_asked()
    attempt.RETRY = Backoff(first_seconds=0.05, longest_seconds=0.5)
    ConfirmOrder.max_attempts = 10_000
    payments.POLICY = replace(payments.POLICY, attempt_seconds=0.5, deadline_seconds=1.5)
    cli.main()
