"""Measurements of speed and of faithfulness, each with what it is compared to in the same run."""
