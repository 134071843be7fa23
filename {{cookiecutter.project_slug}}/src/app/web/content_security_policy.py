"""What browsers may load for an answer of ours: the one place that says so.

Nothing, unless a page says otherwise: pages get a nonce of their own for each request, and never
`unsafe-inline` or `unsafe-eval`.
"""

import secrets

# What relative addresses begin with, where forms go and who shows us in a frame: `default-src` covers none of it.
CONFINED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# For everything that is no page, and for a page that forgot to say.
NOTHING = f"default-src 'none'; {CONFINED}"


def new_nonce() -> str:
    """128 random bits: nobody guesses it, and no two answers share one."""
    return secrets.token_urlsafe(16)


def page_policy(nonce: str, **sources: str) -> str:
    """For a page whose scripts and styles carry this nonce; `img_src="'self'"` allows it more."""
    more = "".join(f" {name.replace('_', '-')} {value};" for name, value in sources.items())
    return f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';{more} {CONFINED}"
