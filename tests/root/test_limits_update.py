"""What tests/vm/test_update.py tests, on a host where cgroup v1 holds the controllers, at full speed."""

import pytest

from tests import limits

if limits.v1_mounts():  # on a v2 host the vm tier runs without a guest, and has been here already
    from tests.vm.test_update import *  # noqa: F403

pytestmark = pytest.mark.root

if limits.v1_mounts():
    # v1 kills nobody for a new limit, and has no memory.high: test_limits_v1.py
    del test_less_memory_than_a_program_holds_ends_it_and_nobody_waits  # noqa: F821
    del test_memory_high_slows_down_and_does_not_kill  # noqa: F821
