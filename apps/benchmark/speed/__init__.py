"""Speed and memory of scoring and fitting, beside PyOD's detectors on the same rows of the same machine."""
