"""How hypothesis looks for inputs: always the same ones, or, with MINIRUN_FUZZ=N, new ones and N times as many."""

import atexit
import os
import shutil
import tempfile

from hypothesis import HealthCheck, configuration, settings

FACTOR = int(os.environ.get("MINIRUN_FUZZ", "1"))
HOME = tempfile.mkdtemp(prefix="minirun-hypothesis-")  # of its caches, which do not belong into the checkout
configuration.set_hypothesis_home_dir(HOME)
atexit.register(shutil.rmtree, HOME, ignore_errors=True)


def fuzz(examples: int) -> settings:
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
