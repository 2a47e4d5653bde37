"""Simulated data with known anomalies, so that demos and tests need no download: what users import."""

from anomaly_cl.datasets.frauds import ALL_FRAUD_KINDS, FRAUD_KINDS
from anomaly_cl.datasets.sensor_anomalies import SENSOR_ANOMALIES
from anomaly_cl.datasets.sensors import sensors_table, simulate_sensors
from anomaly_cl.datasets.transactions import simulate_transactions, transactions_table
from anomaly_cl.datasets.verdicts import simulate_verdicts
from anomaly_cl.datasets.write import write_rows, write_simulated

__all__ = [
    "ALL_FRAUD_KINDS",
    "FRAUD_KINDS",
    "SENSOR_ANOMALIES",
    "sensors_table",
    "simulate_sensors",
    "simulate_transactions",
    "simulate_verdicts",
    "transactions_table",
    "write_rows",
    "write_simulated",
]
