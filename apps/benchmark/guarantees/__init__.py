"""What a detector of series promises, measured: false alarms, spans found by kind of anomaly, memory."""
