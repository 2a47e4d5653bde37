"""Measures our detector, its ablations and its peers on the same splits of the same data sets."""
