"""Deep peers that no library of today's torch offers, written from their papers; PyOD's face: fit, decision_function."""
