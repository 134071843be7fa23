"""Places a few orders over HTTP when there are none yet, so that a first look shows something."""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

from development.direct import DIRECT
from development.key_file import read_key

Order = dict[str, str | int]

ORDERS: tuple[Order, ...] = (
    {"sku": "TEA-001", "quantity": 2, "unit_price_cents": 450},
    {"sku": "CUP-007", "quantity": 6, "unit_price_cents": 1290},
    {"sku": "POT-003", "quantity": 1, "unit_price_cents": 4900},
)


def main() -> None:
    orders = f"{sys.argv[1]}/v1/orders"
    try:
        if not _ask(_request(orders)).get("items"):
            for order in ORDERS:
                _ask(_request(orders, order))
    except urllib.error.HTTPError as refusal:
        sys.exit(f"Sample data were refused: {refusal.code} {refusal.read().decode(errors='replace')}")


def _request(url: str, order: Order | None = None) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {read_key(Path.cwd())}", "Content-Type": "application/json"}
    return urllib.request.Request(url, json.dumps(order).encode() if order else None, headers)  # noqa: S310 - ours


def _ask(request: urllib.request.Request) -> dict[str, object]:
    with DIRECT.open(request, timeout=10) as answer:
        body: dict[str, object] = json.load(answer)
    return body


if __name__ == "__main__":
    main()
