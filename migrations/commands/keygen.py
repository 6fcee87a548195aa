"""``python -m migrations keygen``: a new key, and where to put which half of it."""

import argparse
import sys
from datetime import UTC, datetime

from pyrage import x25519

__all__ = ["add_arguments", "run"]

WHERE_TO_PUT_IT = """
Public key: {public}

Next:
  data/recipients.txt: add the public key, with a name behind it:
    {public}  # production, since {today}
  The secret key: one copy becomes LEADS_AGE_KEY of the production service, one is kept offline.
Whoever has the secret key can open every export that is sealed for it, in every clone, for ever.
""".strip()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none: the key goes to standard output."""


def run(given: argparse.Namespace) -> int:
    """Print a new key as ``age-keygen`` does; the public half also on standard error."""
    identity, now = x25519.Identity.generate(), datetime.now(UTC)
    public = identity.to_public()
    # The one place where the text of a secret key is asked for.
    print(f"# created: {now:%Y-%m-%dT%H:%M:%SZ}\n# public key: {public}\n{identity}")
    print(WHERE_TO_PUT_IT.format(public=public, today=f"{now:%Y-%m-%d}"), file=sys.stderr)
    return 0
