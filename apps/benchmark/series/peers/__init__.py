"""Published detectors of series: `fit` on a normal prefix, `decision_function` on all of a series, (steps, channels).

They choose windows by published rules, not by those of our detector: what they score stays the same when ours changes.
"""
