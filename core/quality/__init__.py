"""Quality: metrics against ground truth, and the gate that works without one."""
