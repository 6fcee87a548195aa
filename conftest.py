"""Let the tests import the project as released up to the bundled import."""

import sys

from tests.support.released import released

sys.path.insert(0, str(released()))
