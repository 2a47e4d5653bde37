"""Card transactions by the fraud handbook's protocol: our event detector, its ablations, and peers."""
