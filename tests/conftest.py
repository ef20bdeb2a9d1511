"""What all test folders share."""

import os

from hypothesis import HealthCheck, settings

# HYPOTHESIS_PROFILE=thorough looks longer; the default keeps the lower floors' tests under three seconds.
settings.register_profile(
    "quick", max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
