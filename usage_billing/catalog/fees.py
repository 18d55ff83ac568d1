"""When the base fee of a plan is charged: after each period, or before it. Pure."""

FEE_TIMINGS = ("arrears", "advance")
