"""Series of measurements with labelled anomalies: our series detector, its ablations, and peers."""
