"""What tests/vm/test_limits.py tests, on a host where cgroup v1 holds the controllers, at full speed."""

import pytest

from tests import limits

if limits.v1_mounts():  # on a v2 host the vm tier runs without a guest, and has been here already
    from tests.vm.test_limits import *  # noqa: F403

pytestmark = pytest.mark.root
