"""``keygen``: make a key, and say where to put each half."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from pyrage import x25519

__all__ = ["add_arguments", "run"]

WHERE_TO_PUT_IT = """
Public key: {public}

Next:
  Add the public key to data/recipients.txt, followed by a name:
    {public}  # production, since {today}
  Set the secret key as LEADS_AGE_KEY of the production service, and keep a copy of it offline.
The secret key opens every export sealed for it, in every clone, for ever.
""".strip()


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the key goes to standard output."""


def run(arguments: Namespace) -> int:
    """Print a new key as ``age-keygen`` does, and the public half on standard error too."""
    identity, now = x25519.Identity.generate(), datetime.now(UTC)
    public = identity.to_public()
    # Nowhere else is the text of a secret key read.
    print(f"# created: {now:%Y-%m-%dT%H:%M:%SZ}\n# public key: {public}\n{identity}")
    print(WHERE_TO_PUT_IT.format(public=public, today=f"{now:%Y-%m-%d}"), file=sys.stderr)
    return 0
