"""How well explanations name the columns of planted anomalies, beside SHAP, ECOD and |z|."""
